import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { CocosRules, CocosSettings, Objection } from "../model/platforms/platform.js";
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
  if (objection !== undefined) throw new HalError("input", objection.message, { remedy: objection.remedy });
  const settings = Object.entries(settingsOf(launch, options)).flatMap(([name, value]) =>
    value === undefined ? [] : [assignment(name, String(value))],
  );
  return `${[...notes(launch), ...settings].join("\n")}\n`;
}

/** Directories that the manager makes for each guest and shares over 9p (manager/service.go). */
const managersShares: readonly string[] = ["env_share", "certs_share"];

/** Why the manager would start another guest than launch.json describes. */
function objectionTo(launch: Launch): Objection | undefined {
  const { boot, net, cpu } = launch;
  const own = rulesOf(launch).objection(launch);
  const object = (message: string, remedy: string): Objection => ({ message, remedy });
  if (boot === "direct" && launch.drives.length > 0)
    return object("Cocos Manager gives a guest either a kernel or a disk, and this image needs both", "layout: ram, or boot: uki");
  if (own !== undefined) return own;
  if (net !== undefined && net.forwards.length > 1)
    return object("Cocos Manager forwards one port, the agent's", "one entry in launch.forwards");
  const share = launch.shares.find(({ tag, type }) => type !== "9p" || !managersShares.includes(tag));
  if (share !== undefined)
    return object(
      `Cocos Manager shares ${managersShares.join(" and ")} over 9p, and no ${share.tag} over ${share.type}`,
      "leave out the share",
    );
  if (cpu.topology !== undefined && (cpu.topology.sockets > 1 || cpu.topology.threads > 1))
    return object("Cocos Manager gives a guest one socket with cores of one thread", "launch.sockets and launch.threads: 1");
  return undefined;
}

function settingsOf(launch: Launch, { base }: CocosOptions): CocosSettings {
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
    ...rulesOf(launch).settings(tee),
    NO_GRAPHIC: true,
    MONITOR: launch.monitors[0] ?? "pty",
  };
}

/** The manager copies its source disk with `qemu-img convert -f qcow2`, so it must be one. */
const DISK_IMAGE = "disk.qcow2";

function rulesOf({ platform }: Launch): CocosRules {
  return platforms[platform].cocos;
}

function firmwareOf(launch: Launch, base: string | undefined): CocosSettings {
  const { firmware } = launch;
  if (firmware === undefined || (firmware.kind === "bios" && rulesOf(launch).startsFromFlash)) return {};
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

function notes(launch: Launch): string[] {
  const { note, startsFromFlash } = rulesOf(launch);
  const dropped = [...(launch.machine.noReboot ? ["-no-reboot"] : []), ...launch.monitors.slice(1).map((monitor) => `-monitor ${monitor}`)];
  return [
    `# Cocos Manager settings for the image of profile ${launch.profile} on platform ${launch.platform}.`,
    ...(note === undefined ? [] : [`# ${note}`]),
    ...(launch.vsock === undefined
      ? []
      : ["# vsock: only managers from before August 2025 give a guest one (MANAGER_QEMU_VSOCK_GUEST_CID)."]),
    ...(startsFromFlash && launch.firmware?.kind !== "pflash"
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
