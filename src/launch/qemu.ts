import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import { placeholder } from "../model/shares.js";
import { located, qemuOptions, refuseControl } from "./quote.js";
import { teeRules } from "./tee.js";

export type Accel = "kvm" | "tcg";

/** TCG with every feature but one: before QEMU 8.1 its cmpxchg16b crashes Linux 6.12 and later at random (measured with 7.2). */
export const carefulTcgCpu = "max,-cx16";

/** What a launcher may change about the command; everything else comes from launch.json. */
export interface QemuOptions {
  /** The folder of launch.json, before relative paths; the command runs in that folder when not given. */
  readonly base?: string;
  /** Default kvm. */
  readonly accel?: Accel;
  readonly cpuModel?: string;
  readonly cpus?: number;
  /** A file instead of the image's own. */
  readonly initrd?: string;
  readonly cmdline?: string;
  /** Disk images instead of the image's own, by drive id (`disk0`); an empty map leaves all drives out. */
  readonly drives?: Readonly<Record<string, string>>;
  /** Throw writes to the disks away, or not, whatever launch.json says. */
  readonly snapshot?: boolean;
  /** Directory (9p) or virtiofsd socket (virtiofs) of a share, by tag. */
  readonly shares?: Readonly<Record<string, string>>;
  /** False: no serial port and no monitor. */
  readonly consoles?: boolean;
  /** Further words at the end. */
  readonly extra?: readonly string[];
}

type Described = Omit<Launch, "argv">;
type Part = (launch: Described, options: QemuOptions) => readonly string[];

/**
 * The QEMU command of an image, word by word: one function per part, in this order.
 * Shares without a directory stand as `${NAME}` placeholders.
 * @throws HalError "input" where a text cannot be passed on or the image has nothing that QEMU can start
 */
export function qemuArgv(launch: Described, options: QemuOptions = {}): readonly string[] {
  const parts: readonly Part[] =
    launch.boot === "enclave"
      ? [accelerator, enclave, consoles]
      : [accelerator, machine, memory, firmware, tee, kernel, drives, network, vsock, shares, consoles];
  const argv = [platforms[launch.platform].emulator, ...parts.flatMap((part) => part(launch, options)), ...(options.extra ?? [])];
  for (const word of argv) refuseControl(word, "the QEMU command");
  return argv;
}

/**
 * With a thread per CPU, TCG now and then runs an instruction that another CPU has just replaced: Linux patches its own
 * code while it boots and dies of the breakpoint that it had put there (measured with 7.2, 1 boot in 60: `Oops: int3`).
 */
const accelerator: Part = (_launch, { accel = "kvm" }) => (accel === "kvm" ? ["-enable-kvm"] : ["-accel", "tcg,thread=single"]);

const machine: Part = (launch, options) => {
  const { type, noReboot, nodefaults } = launch.machine;
  const { model, count, max, topology } = launch.cpu;
  const cpus = options.cpus ?? count;
  const whole = {
    ...launch.machine.options,
    "confidential-guest-support": launch.tee?.id,
    "memory-backend": launch.memory.backend?.id,
    "igvm-cfg": launch.firmware?.kind === "igvm" ? "igvm0" : undefined,
  };
  const smp =
    topology !== undefined && options.cpus === undefined
      ? qemuOptions("", {
          cpus: max === undefined ? undefined : count,
          cores: topology.cores,
          sockets: topology.sockets,
          threads: topology.threads,
          maxcpus: max,
        })
      : qemuOptions(String(cpus), { maxcpus: max === undefined ? undefined : Math.max(max, cpus) });
  return [
    "-machine",
    qemuOptions(type, whole),
    "-cpu",
    options.cpuModel ?? model,
    "-smp",
    smp,
    ...(nodefaults ? ["-nodefaults"] : []),
    ...(noReboot ? ["-no-reboot"] : []),
  ];
};

const memory: Part = ({ memory: { size, slots, max, backend } }) => [
  "-m",
  qemuOptions(size, { slots, maxmem: max }),
  ...(backend === undefined ? [] : ["-object", qemuOptions("memory-backend-memfd", { id: backend.id, size, ...backend.options })]),
];

const firmware: Part = (launch, { base, snapshot }) => {
  const file = launch.firmware;
  if (file === undefined) return [];
  const path = located(base, file.path);
  if (file.kind === "igvm") return ["-object", qemuOptions("igvm-cfg", { id: "igvm0", file: path })];
  if (file.kind === "bios") return ["-bios", path];
  // The variable store is a template: what one guest writes must not reach the next.
  const discard = (snapshot ?? launch.drives.every((drive) => drive.snapshot)) ? true : undefined;
  const flash = (unit: number, options: Readonly<Record<string, string | boolean | undefined>>) => [
    "-drive",
    qemuOptions("", { if: "pflash", format: "raw", unit, ...options }),
  ];
  return [
    ...flash(0, { file: path, readonly: true }),
    ...(file.vars === undefined ? [] : flash(1, { file: located(base, file.vars.path), snapshot: discard })),
  ];
};

/** Properties of the object: QEMU qapi/qom.json. */
const tee: Part = ({ tee: described }) => {
  if (described === undefined) return [];
  const { type, form, properties } = teeRules(described).qemu(described);
  if (form === "json") return ["-object", JSON.stringify({ "qom-type": type, ...properties })];
  const plain = Object.entries(properties).filter(([, value]) => typeof value !== "object");
  return ["-object", qemuOptions(type, Object.fromEntries(plain) as Parameters<typeof qemuOptions>[1])];
};

const kernel: Part = (launch, options) => {
  if (launch.boot !== "direct" || launch.kernel === undefined) return [];
  const initrd = options.initrd ?? launch.initrd?.path;
  return [
    "-kernel",
    located(options.base, launch.kernel.path),
    "-append",
    options.cmdline ?? launch.cmdline,
    ...(initrd === undefined ? [] : ["-initrd", located(options.base, initrd)]),
  ];
};

const drives: Part = (launch, options) => {
  const chosen = launch.drives.flatMap((drive) => {
    const path = options.drives === undefined ? drive.path : options.drives[drive.id];
    return path === undefined ? [] : [{ ...drive, path, snapshot: options.snapshot ?? drive.snapshot }];
  });
  if (chosen.length === 0) return [];
  return [
    "-device",
    qemuOptions("virtio-scsi-pci", { id: "scsi", ...virtio(launch) }),
    ...chosen.flatMap((drive) => [
      "-drive",
      qemuOptions("", {
        file: located(options.base, drive.path),
        if: "none",
        id: drive.id,
        format: drive.format,
        snapshot: drive.snapshot || undefined,
      }),
      "-device",
      qemuOptions("scsi-hd", { drive: drive.id }),
    ]),
  ];
};

const network: Part = (launch) => {
  const { net } = launch;
  if (net === undefined) return ["-nic", "none"];
  return [
    "-netdev",
    [`user,id=${net.id}`, ...net.forwards.map(({ host, guest }) => `hostfwd=tcp::${host}-:${guest}`)].join(","),
    "-device",
    qemuOptions("virtio-net-pci", { ...virtio(launch), netdev: net.id, ...(net.rom === false ? { romfile: "" } : {}) }),
  ];
};

/** As the Cocos command lines write them: `disable-legacy=on`, `iommu_platform=true`. */
function virtio({ virtio: options = {} }: Described): Record<string, string | boolean | undefined> {
  const { iommu_platform: iommu, ...rest } = options;
  return { ...rest, iommu_platform: iommu === undefined ? undefined : String(iommu) };
}

const vsock: Part = ({ vsock: device }) =>
  device === undefined ? [] : ["-device", qemuOptions("vhost-vsock-pci", { "guest-cid": device.cid })];

const shares: Part = (launch, options) =>
  launch.shares.flatMap((share, index) => {
    const id = `fs${index}`;
    const path = options.shares?.[share.tag] ?? share.path ?? placeholder(share);
    if (share.type === "virtiofs") {
      return [
        "-chardev",
        qemuOptions("socket", { id, path }),
        "-device",
        qemuOptions("vhost-user-fs-pci", { chardev: id, tag: share.tag }),
      ];
    }
    return [
      "-fsdev",
      qemuOptions("local", { id, path, security_model: "mapped" }),
      "-device",
      qemuOptions("virtio-9p-pci", { fsdev: id, mount_tag: share.tag }),
    ];
  });

const consoles: Part = (launch, options) =>
  options.consoles === false
    ? ["-nographic", "-monitor", "none", "-serial", "none"]
    : [
        "-nographic",
        // Without defaults there is no serial port, and -nographic adds none.
        ...(launch.machine.nodefaults ? ["-serial", "mon:stdio"] : []),
        ...launch.monitors.flatMap((monitor) => ["-monitor", monitor.startsWith("unix:") ? `${monitor},server,nowait` : monitor]),
      ];

/** QEMU's emulation of a Nitro enclave (docs/system/i386/nitro-enclave.rst): the vsock is a vhost-user socket. */
const enclave: Part = (launch, options) => {
  if (launch.eif === undefined) throw new HalError("input", `image '${launch.profile}' has no EIF`);
  return [
    "-machine",
    qemuOptions("nitro-enclave", { vsock: "vsock0", id: launch.profile }),
    "-cpu",
    options.cpuModel ?? launch.cpu.model,
    "-smp",
    String(options.cpus ?? launch.cpu.count),
    "-m",
    launch.memory.size,
    "-chardev",
    qemuOptions("socket", { id: "vsock0", path: "vsock.socket" }),
    "-kernel",
    located(options.base, launch.eif.path),
  ];
};
