import type { Launch } from "../model/generated.js";
import { ordinary } from "../model/platforms/index.js";

/**
 * Returns launch metadata that starts the same image as an ordinary virtual machine, for hosts without TEE hardware.
 * Kernel, initrd, command line and disks stay the same. The TEE object and the settings that only a TEE needs are removed.
 * The measurements are removed too, because an ordinary machine reports none.
 * Firmware stays only if it boots the disk: builds of OVMF for SEV and TDX do not run without the TEE.
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
