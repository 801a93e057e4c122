import type { Launch } from "../model/generated.js";
import { ordinary } from "../model/platforms/index.js";

/**
 * The same image as an ordinary virtual machine, for where there is no TEE hardware: kernel, initrd, command line
 * and disks stay; the TEE object, what only a TEE needs, and the measurements, which nothing would report, go.
 * Firmware stays only where it boots the disk: the builds for SEV and TDX refuse to run outside of them.
 */
export function withoutTee(launch: Launch): Launch {
  const { tee: _tee, firmware, virtio: _virtio, memory, eif: _eif, ...rest } = launch;
  const { backend, ...ram } = memory;
  const virtiofs = launch.shares.some((share) => share.type === "virtiofs");
  return {
    ...rest,
    platform: ordinary.name,
    boot: launch.boot === "enclave" ? "direct" : launch.boot,
    machine: ordinary.machine,
    memory: virtiofs && backend !== undefined ? memory : ram,
    ...(launch.boot === "disk" && firmware !== undefined && firmware.kind !== "igvm" ? { firmware } : {}),
    ...(ordinary.virtio === undefined ? {} : { virtio: ordinary.virtio }),
    ...(launch.net === undefined ? {} : { net: { ...launch.net, rom: false } }),
    monitors: [],
    measurements: { ...launch.measurements, values: [] },
  };
}
