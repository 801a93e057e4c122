import { HalError } from "../errors.js";
import type { Launch } from "../generated/types.js";
import { located, refuseControl } from "./quote.js";

export interface CocosOptions {
  /** The folder of launch.json as the manager sees it. */
  readonly base?: string;
}

/**
 * The `MANAGER_QEMU_*` settings of Cocos Manager (manager/qemu/config.go) for this image, as lines of its EnvironmentFile.
 * Kernel boot where the launcher loads the kernel, disk boot where the firmware boots the disk. The manager decides for itself
 * which TEE the host has, which port of the host leads to the agent, and which directories it shares.
 * @throws HalError "input" where the manager has no setting for what the image needs
 */
export function cocosEnvironment(launch: Launch, options: CocosOptions = {}): string {
  const refuse = (message: string, remedy: string): never => {
    throw new HalError("input", message, { remedy });
  };
  if (launch.boot === "enclave" || launch.platform === "nitro") refuse("Cocos Manager starts no Nitro enclaves", "--format nitro-cli");
  if (launch.boot === "direct" && launch.drives.length > 0) {
    refuse("Cocos Manager gives a guest either a kernel or a disk, and this image needs both", "layout: ram, or boot: uki");
  }
  if (launch.tee?.type === "sev-snp" && launch.firmware?.kind !== "igvm")
    refuse("Cocos Manager starts SEV-SNP guests from an IGVM file", "launch.igvm");
  if (launch.tee?.quoteGenerationSocket !== undefined && launch.tee.quoteGenerationSocket.cid !== 2) {
    refuse("Cocos Manager looks for the quote generation service at context id 2", "launch.quoteGenerationSocket.cid: 2");
  }
  if (launch.net !== undefined && launch.net.forwards.length > 1)
    refuse("Cocos Manager forwards one port, the agent's", "one entry in launch.forwards");
  const settings = Object.entries(settingsOf(launch, options)).flatMap(([name, value]) =>
    value === undefined ? [] : [assignment(name, String(value))],
  );
  return `${[...notes(launch), ...settings].join("\n")}\n`;
}

type Settings = Readonly<Record<string, string | number | boolean | undefined>>;

function settingsOf(launch: Launch, { base }: CocosOptions): Settings {
  const { cpu, memory, firmware, tee, net, virtio } = launch;
  const forward = net?.forwards[0];
  const onOff = (value: boolean | undefined) => (value === undefined ? undefined : value ? "on" : "off");
  return {
    MACHINE: launch.machine.type,
    CPU: cpu.model,
    SMP_COUNT: cpu.count,
    SMP_MAXCPUS: cpu.max ?? cpu.count,
    MEMORY_SIZE: memory.size,
    // The manager always writes slots and maxmem: without hotplug in the profile, the least that QEMU takes.
    MEMORY_SLOTS: memory.slots ?? 0,
    MAX_MEMORY: memory.max ?? memory.size,
    MEM_ID: memory.backend?.id,
    ...firmwareOf(firmware, base),
    NETDEV_ID: net?.id,
    HOST_FWD_AGENT: forward?.host,
    GUEST_FWD_AGENT: forward?.guest,
    VIRTIO_NET_PCI_DISABLE_LEGACY: onOff(virtio?.["disable-legacy"]),
    VIRTIO_NET_PCI_IOMMU_PLATFORM: virtio?.iommu_platform,
    ...(launch.boot === "disk"
      ? { ENABLE_DISK: true, SRC_DISK_FILE: located(base, DISK_IMAGE), DISK_FORMAT: "qcow2" }
      : {
          ENABLE_DISK: false,
          DISK_IMG_KERNEL_FILE: launch.kernel && located(base, launch.kernel.path),
          DISK_IMG_ROOTFS_FILE: launch.initrd && located(base, launch.initrd.path),
          KERNEL_CMDLINE: launch.cmdline,
        }),
    ...teeOf(tee),
    NO_GRAPHIC: true,
    MONITOR: launch.monitors[0] ?? "pty",
  };
}

/** The manager copies its source disk with `qemu-img convert -f qcow2`, so it must be one. */
const DISK_IMAGE = "disk.qcow2";

function firmwareOf(firmware: Launch["firmware"], base: string | undefined): Settings {
  if (firmware === undefined) return {};
  const path = located(base, firmware.path);
  if (firmware.kind === "igvm") return { IGVM_FILE: path };
  if (firmware.kind === "bios") return { OVMF_FILE: path };
  return { OVMF_CODE_FILE: path, OVMF_VARS_FILE: firmware.vars && located(base, firmware.vars.path) };
}

function teeOf(tee: Launch["tee"]): Settings {
  if (tee === undefined) return { ENABLE_SEV_SNP: false, ENABLE_TDX: false };
  switch (tee.type) {
    case "tdx":
      return { ENABLE_SEV_SNP: false, ENABLE_TDX: true, TDX_ID: tee.id, QUOTE_GENERATION_PORT: tee.quoteGenerationSocket?.port };
    case "sev-snp":
      return {
        ENABLE_SEV_SNP: true,
        ENABLE_TDX: false,
        SEV_SNP_ID: tee.id,
        SEV_SNP_CBIT_POS: tee.cbitpos,
        SEV_SNP_REDUCED_PHYS_BITS: tee.reducedPhysBits,
        ENABLE_HOST_DATA: tee.hostData !== undefined,
        HOST_DATA: tee.hostData,
      };
    case "sev":
      return {
        ENABLE_SEV: true,
        ENABLE_SEV_SNP: false,
        ENABLE_TDX: false,
        SEV_ID: tee.id,
        SEV_CBITPOS: tee.cbitpos,
        SEV_REDUCED_PHYS_BITS: tee.reducedPhysBits,
      };
  }
}

function notes(launch: Launch): string[] {
  return [
    `# Cocos Manager settings for the image of profile ${launch.profile} on platform ${launch.platform}.`,
    ...(launch.tee?.type === "sev" ? ["# SEV without SNP: only managers from before its removal (COCOS-456) read these."] : []),
    ...(launch.boot === "disk" ? [`# Once, in the image's folder: qemu-img convert -f raw -O qcow2 disk.img ${DISK_IMAGE}`] : []),
  ];
}

/**
 * systemd.exec(5), EnvironmentFile, and the shell read double quotes alike, with backslash escapes of these four.
 * @throws HalError "input" for control characters
 */
function assignment(name: string, value: string): string {
  refuseControl(value, `MANAGER_QEMU_${name}`);
  const quoted = /^[A-Za-z0-9_@%+=:,./-]*$/.test(value) ? value : `"${value.replace(/[\\"$`]/g, "\\$&")}"`;
  return `MANAGER_QEMU_${name}=${quoted}`;
}
