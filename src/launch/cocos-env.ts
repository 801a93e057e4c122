import { files } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { CocosRules, CocosSettings, Refusal } from "../model/platforms/platform.js";
import { requireFirmware } from "./firmware.js";
import { pathFrom, qemuOptions, refuseControlCharacters } from "./quote.js";

export interface CocosOptions {
  /** The folder of launch.json, as Cocos Manager sees it. */
  readonly base?: string;
}

/**
 * Returns the `MANAGER_QEMU_*` settings of Cocos Manager (manager/qemu/config.go) for an image, as an EnvironmentFile of systemd.
 * They select disk boot if launch.json has `boot: disk`, and kernel boot otherwise.
 * The manager itself selects the TEE, the host's port for the agent, and the shared directories.
 * A QEMU option for which the manager has no setting becomes a comment, if the guest also runs without that option.
 * @throws HalError "input" if the manager would start a different guest than launch.json describes
 */
export function cocosEnvironment(launch: Launch, options: CocosOptions = {}): string {
  const refusal = findRefusal(launch);
  if (refusal !== undefined) throw new HalError("input", refusal.message, { remedy: refusal.remedy });
  const settings = Object.entries(managerSettings(launch, options)).flatMap(([name, value]) =>
    value === undefined ? [] : [assignment(name, String(value))],
  );
  return `${[...comments(launch), ...settings].join("\n")}\n`;
}

/** The manager creates these directories for each guest and shares them over 9p (manager/service.go). */
const MANAGER_SHARES: readonly string[] = ["env_share", "certs_share"];

/** Finds the first reason why the manager would start a different guest than launch.json describes. */
function findRefusal(launch: Launch): Refusal | undefined {
  const { boot, net, cpu } = launch;
  const platformRefusal = cocosRules(launch).refusal(launch);
  const refuse = (message: string, remedy: string): Refusal => ({ message, remedy });
  if (boot === "direct" && launch.drives.length > 0)
    return refuse("Cocos Manager starts a guest from a kernel or from a disk, and this image needs both", "set layout: ram, or boot: uki");
  if (platformRefusal !== undefined) return platformRefusal;
  if (net !== undefined && net.forwards.length > 1)
    return refuse("Cocos Manager forwards only one port, for the agent", "keep one entry in launch.forwards");
  const share = launch.shares.find(({ tag, type }) => type !== "9p" || !MANAGER_SHARES.includes(tag));
  if (share !== undefined)
    return refuse(
      `Cocos Manager cannot share ${share.tag} over ${share.type}: it shares only ${MANAGER_SHARES.join(" and ")}, over 9p`,
      "remove the share",
    );
  if (cpu.topology !== undefined && (cpu.topology.sockets > 1 || cpu.topology.threads > 1))
    return refuse("Cocos Manager starts guests with one CPU socket and one thread per core", "set launch.sockets and launch.threads to 1");
  return undefined;
}

function managerSettings(launch: Launch, { base }: CocosOptions): CocosSettings {
  const { cpu, memory, tee, net, virtio } = launch;
  const forward = net?.forwards[0];
  const onOff = (value: boolean | undefined) => (value === undefined ? undefined : value ? "on" : "off");
  return {
    MACHINE: qemuOptions(launch.machine.type, launch.machine.options),
    CPU: cpu.model,
    SMP_COUNT: cpu.count,
    SMP_MAXCPUS: cpu.max ?? cpu.count,
    MEMORY_SIZE: memory.size,
    // The manager always sets slots and maxmem. These are the smallest values that QEMU accepts.
    MEMORY_SLOTS: memory.slots ?? 0,
    MAX_MEMORY: memory.max ?? memory.size,
    MEM_ID: memory.backend?.id,
    ...firmwareSettings(launch, base),
    NETDEV_ID: net?.id,
    HOST_FWD_AGENT: forward?.host,
    GUEST_FWD_AGENT: forward?.guest,
    VSOCK_GUEST_CID: launch.vsock?.cid,
    VIRTIO_NET_PCI_DISABLE_LEGACY: onOff(virtio?.["disable-legacy"]),
    VIRTIO_NET_PCI_IOMMU_PLATFORM: virtio?.iommu_platform,
    ...(launch.boot === "disk"
      ? { ENABLE_DISK: true, SRC_DISK_FILE: pathFrom(base, DISK_IMAGE), DISK_FORMAT: "qcow2" }
      : {
          ENABLE_DISK: false,
          DISK_IMG_KERNEL_FILE: launch.kernel && pathFrom(base, launch.kernel.path),
          DISK_IMG_ROOTFS_FILE: launch.initrd && pathFrom(base, launch.initrd.path),
          KERNEL_CMDLINE: launch.cmdline,
        }),
    ...cocosRules(launch).settings(tee),
    NO_GRAPHIC: true,
    MONITOR: launch.monitors[0] ?? "pty",
  };
}

/** The manager copies its source disk with `qemu-img convert -f qcow2`, so the source must be in that format. */
const DISK_IMAGE = "disk.qcow2";

function cocosRules({ platform }: Launch): CocosRules {
  return platforms[platform].cocos;
}

function firmwareSettings(launch: Launch, base: string | undefined): CocosSettings {
  const { firmware } = launch;
  if (firmware === undefined || (firmware.kind === "bios" && cocosRules(launch).startsFromFlash)) return {};
  requireFirmware(launch, "Cocos Manager needs the path of the file");
  const path = pathFrom(base, firmware.path);
  // The manager uses this setting as a file name and in an option list of QEMU. Only the list needs doubled commas.
  if (firmware.kind !== "bios" && path.includes(","))
    throw new HalError("input", `Cocos Manager cannot pass the path ${path} to QEMU, because it does not double commas`, {
      remedy: "use a path without commas",
    });
  if (firmware.kind === "igvm") return { IGVM_FILE: path };
  if (firmware.kind === "bios") return { OVMF_FILE: path };
  return { OVMF_CODE_FILE: path, OVMF_VARS_FILE: firmware.vars && pathFrom(base, firmware.vars.path) };
}

function comments(launch: Launch): string[] {
  const { note, startsFromFlash } = cocosRules(launch);
  const replaced =
    launch.firmware === undefined ? "" : `, instead of the image's ${firmwarePlaceholder(launch.firmware)?.means ?? launch.firmware.path}`;
  const dropped = [...(launch.machine.noReboot ? ["-no-reboot"] : []), ...launch.monitors.slice(1).map((monitor) => `-monitor ${monitor}`)];
  return [
    `# Cocos Manager settings for the image of profile ${launch.profile} on platform ${launch.platform}.`,
    ...(note === undefined ? [] : [`# ${note}`]),
    ...(launch.vsock === undefined
      ? []
      : ["# vsock: only releases of Cocos Manager before August 2025 read MANAGER_QEMU_VSOCK_GUEST_CID."]),
    ...(startsFromFlash && launch.firmware?.kind !== "pflash"
      ? [`# Firmware: the manager starts its default OVMF from flash${replaced}.`]
      : []),
    ...(dropped.length === 0 ? [] : [`# The manager has no setting for: ${dropped.join(", ")}`]),
    ...(launch.boot === "disk"
      ? [`# First run this once in the image's folder: qemu-img convert -f raw -O qcow2 ${files.disk} ${DISK_IMAGE}`]
      : []),
  ];
}

/**
 * Returns one line of the EnvironmentFile. systemd (systemd.exec(5)) and the shell read double quotes in the same way.
 * Inside double quotes, a backslash escapes itself, a double quote, `$` and a backtick.
 * @throws HalError "input" if the value contains a control character
 */
function assignment(name: string, value: string): string {
  refuseControlCharacters(value, `MANAGER_QEMU_${name}`);
  const quoted = /^[A-Za-z0-9_@%+=:,./-]*$/.test(value) ? value : `"${value.replace(/[\\"$`]/g, "\\$&")}"`;
  return `MANAGER_QEMU_${name}=${quoted}`;
}
