import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { located, qemuOptions, refuseControl } from "./quote.js";

export interface CocosOptions {
  /** The folder of launch.json as the manager sees it. */
  readonly base?: string;
}

/**
 * The `MANAGER_QEMU_*` settings of Cocos Manager (manager/qemu/config.go) for this image, as lines of its EnvironmentFile.
 * Kernel boot where the launcher loads the kernel, disk boot where the firmware boots the disk. The manager decides for itself
 * which TEE the host has, which port of the host leads to the agent, and which directories it shares; what else it has no setting for
 * stands in a comment where the guest runs without it too, and is an error where the guest would be another.
 * @throws HalError "input" where the manager has no setting for what the image needs
 */
export function cocosEnvironment(launch: Launch, options: CocosOptions = {}): string {
  const objection = objectionTo(launch);
  if (objection !== undefined) throw new HalError("input", objection[0], { remedy: objection[1] });
  const settings = Object.entries(settingsOf(launch, options)).flatMap(([name, value]) =>
    value === undefined ? [] : [assignment(name, String(value))],
  );
  return `${[...notes(launch), ...settings].join("\n")}\n`;
}

type Objection = readonly [message: string, remedy: string];

/** Directories that the manager makes for each guest and shares over 9p (manager/service.go). */
const managersShares: readonly string[] = ["env_share", "certs_share"];

/** Why the manager would start another guest than launch.json describes. */
function objectionTo(launch: Launch): Objection | undefined {
  const { boot, platform, tee, firmware, net, cpu } = launch;
  if (boot === "enclave" || platform === "nitro") return ["Cocos Manager starts no Nitro enclaves", "--format nitro-cli"];
  if (boot === "direct" && launch.drives.length > 0)
    return ["Cocos Manager gives a guest either a kernel or a disk, and this image needs both", "layout: ram, or boot: uki"];
  if (tee?.type === "sev-snp" && firmware?.kind !== "igvm") return ["Cocos Manager starts SEV-SNP guests from an IGVM file", "launch.igvm"];
  if (tee?.type === "sev" && (tee.kernelHashes || tee.policy !== undefined))
    return ["Cocos Manager gives SEV guests neither kernel hashes nor a policy", "boot: uki, without launch.policy"];
  if (tee?.type === "sev" && firmware?.kind === "bios") {
    return [
      "Cocos Manager starts a SEV guest from flash with a variable store",
      "launch.firmware: {path: …/OVMF_CODE.fd, vars: …/OVMF_VARS.fd}",
    ];
  }
  if (tee?.quoteGenerationSocket !== undefined && tee.quoteGenerationSocket.cid !== 2)
    return ["Cocos Manager looks for the quote generation service at context id 2", "launch.quoteGenerationSocket.cid: 2"];
  if (net !== undefined && net.forwards.length > 1) return ["Cocos Manager forwards one port, the agent's", "one entry in launch.forwards"];
  const share = launch.shares.find(({ tag, type }) => type !== "9p" || !managersShares.includes(tag));
  if (share !== undefined)
    return [`Cocos Manager shares ${managersShares.join(" and ")} over 9p, and no ${share.tag} over ${share.type}`, "leave out the share"];
  if (cpu.topology !== undefined && (cpu.topology.sockets > 1 || cpu.topology.threads > 1))
    return ["Cocos Manager gives a guest one socket with cores of one thread", "launch.sockets and launch.threads: 1"];
  return undefined;
}

type Settings = Readonly<Record<string, string | number | boolean | undefined>>;

function settingsOf(launch: Launch, { base }: CocosOptions): Settings {
  const { cpu, memory, tee, net, virtio } = launch;
  const forward = net?.forwards[0];
  const onOff = (value: boolean | undefined) => (value === undefined ? undefined : value ? "on" : "off");
  return {
    MACHINE: qemuOptions(launch.machine.type, launch.machine.options),
    CPU: cpu.model,
    SMP_COUNT: cpu.count,
    SMP_MAXCPUS: cpu.max ?? cpu.count,
    MEMORY_SIZE: memory.size,
    // The manager always writes slots and maxmem: without hotplug in the profile, the least that QEMU takes.
    MEMORY_SLOTS: memory.slots ?? 0,
    MAX_MEMORY: memory.max ?? memory.size,
    MEM_ID: memory.backend?.id,
    ...firmwareOf(launch, base),
    NETDEV_ID: net?.id,
    HOST_FWD_AGENT: forward?.host,
    GUEST_FWD_AGENT: forward?.guest,
    VSOCK_GUEST_CID: launch.vsock?.cid,
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

/** Without SEV-SNP and TDX the manager knows flash only. */
const startsFromFlash = ({ tee }: Launch): boolean => tee?.type !== "sev-snp" && tee?.type !== "tdx";

function firmwareOf(launch: Launch, base: string | undefined): Settings {
  const { firmware } = launch;
  if (firmware === undefined || (firmware.kind === "bios" && startsFromFlash(launch))) return {};
  const path = located(base, firmware.path);
  // It stands in QEMU's option lists, and the manager reads the same setting as a file name: doubled commas would help only one of them.
  if (firmware.kind !== "bios" && path.includes(","))
    throw new HalError("input", `Cocos Manager cannot start from ${path}: it doubles no commas for QEMU`, {
      remedy: "a path without commas",
    });
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
  const dropped = [...(launch.machine.noReboot ? ["-no-reboot"] : []), ...launch.monitors.slice(1).map((monitor) => `-monitor ${monitor}`)];
  return [
    `# Cocos Manager settings for the image of profile ${launch.profile} on platform ${launch.platform}.`,
    ...(launch.tee?.type === "sev" ? ["# SEV without SNP: only managers from before its removal (COCOS-456) read these."] : []),
    ...(launch.vsock === undefined
      ? []
      : ["# vsock: only managers from before August 2025 give a guest one (MANAGER_QEMU_VSOCK_GUEST_CID)."]),
    ...(startsFromFlash(launch) && launch.firmware?.kind !== "pflash"
      ? [`# Firmware: OVMF in flash, the manager's own default${launch.firmware === undefined ? "" : `, and not ${launch.firmware.path}`}.`]
      : []),
    ...(dropped.length === 0 ? [] : [`# The manager has no setting for: ${dropped.join(", ")}`]),
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
