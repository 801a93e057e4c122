import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import { placeholder, sharePath } from "../model/shares.js";
import { doubleCommas, pathFrom, qemuOptions, refuseControlCharacters } from "./quote.js";
import { teeRules } from "./tee.js";

export type Accel = "kvm" | "tcg";

/**
 * The CPU model for TCG before QEMU 8.1: every feature except cmpxchg16b.
 * With QEMU 7.2, Linux 6.12 and later crashed at random in that instruction.
 */
export const carefulTcgCpu = "max,-cx16";

/** A TCP port of the host that leads to a port of the guest. */
export interface Forward {
  /** The IPv4 address of the host to listen on. Without it, QEMU listens on all addresses. */
  readonly address?: string;
  readonly host: number;
  readonly guest: number;
}

/** Parts of the command that a caller can change. The rest comes from launch.json. */
export interface QemuOptions {
  /** The folder of launch.json, which relative paths start from. Without it, the command must run in that folder. */
  readonly base?: string;
  /** `kvm` if not given. */
  readonly accel?: Accel;
  /** With TCG: a thread for each CPU (see `accelerator`). */
  readonly parallel?: boolean;
  readonly cpuModel?: string;
  readonly cpus?: number;
  /** Replaces the initrd of launch.json. */
  readonly initrd?: string;
  /** Replaces the kernel command line of launch.json. */
  readonly cmdline?: string;
  /** Replaces the disk images of launch.json, by drive id (`disk0`). Drives without an entry are left out. */
  readonly drives?: Readonly<Record<string, string>>;
  /** Whether to discard all writes to the disks. Overrides launch.json. */
  readonly snapshot?: boolean;
  /** The directory (9p) or virtiofsd socket (virtiofs) of each share, by tag. */
  readonly shares?: Readonly<Record<string, string>>;
  /** Replaces the forwarded ports of launch.json. */
  readonly forwards?: readonly Forward[];
  /** The guest reaches nothing through its network card except the forwarded ports. */
  readonly isolateNetwork?: boolean;
  /** Replaces the monitors of launch.json. */
  readonly monitors?: readonly string[];
  /** False removes the serial port and the monitor. */
  readonly consoles?: boolean;
  /** Further words for the end of the command. */
  readonly extra?: readonly string[];
}

type Described = Omit<Launch, "argv">;
type Part = (launch: Described, options: QemuOptions) => readonly string[];

/**
 * Returns the QEMU command of an image, word by word. One function below writes each part.
 * A share without a directory becomes a placeholder `${NAME}`.
 * @throws HalError "input" if a word contains a control character, or if an enclave has no EIF
 */
export function qemuArgv(launch: Described, options: QemuOptions = {}): readonly string[] {
  const parts: readonly Part[] =
    launch.boot === "enclave"
      ? [accelerator, enclave, consoles]
      : [accelerator, machine, memory, firmware, tee, kernel, drives, network, vsock, shares, consoles];
  const argv = [platforms[launch.platform].emulator, ...parts.flatMap((part) => part(launch, options)), ...(options.extra ?? [])];
  for (const word of argv) refuseControlCharacters(word, "the QEMU command");
  return argv;
}

/**
 * TCG runs all CPUs in one thread. Linux replaces parts of its own code while it boots, and sets a breakpoint meanwhile.
 * With one thread per CPU, a CPU can run a breakpoint that is already removed. Linux then stops with `Oops: int3`.
 * This happened in 1 of 60 boots with QEMU 7.2.
 */
const accelerator: Part = (_launch, { accel = "kvm", parallel = false }) =>
  accel === "kvm" ? ["-enable-kvm"] : ["-accel", `tcg,thread=${parallel ? "multi" : "single"}`];

const machine: Part = (launch, options) => {
  const { type, noReboot, nodefaults } = launch.machine;
  const { model, count, max, topology } = launch.cpu;
  const cpus = options.cpus ?? count;
  const machineOptions = {
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
    qemuOptions(type, machineOptions),
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
  const path = pathFrom(base, file.path);
  if (file.kind === "igvm") return ["-object", qemuOptions("igvm-cfg", { id: "igvm0", file: path })];
  if (file.kind === "bios") return ["-bios", path];
  // The variable store is a template: writes of one guest must not reach the next guest.
  const discard = (snapshot ?? launch.drives.every((drive) => drive.snapshot)) ? true : undefined;
  const flash = (unit: number, options: Readonly<Record<string, string | boolean | undefined>>) => [
    "-drive",
    qemuOptions("", { if: "pflash", format: "raw", unit, ...options }),
  ];
  return [
    ...flash(0, { file: path, readonly: true }),
    ...(file.vars === undefined ? [] : flash(1, { file: pathFrom(base, file.vars.path), snapshot: discard })),
  ];
};

/** The properties are those of QEMU's qapi/qom.json. */
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
    pathFrom(options.base, launch.kernel.path),
    "-append",
    options.cmdline ?? launch.cmdline,
    ...(initrd === undefined ? [] : ["-initrd", pathFrom(options.base, initrd)]),
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
    qemuOptions("virtio-scsi-pci", { id: "scsi", ...virtioOptions(launch) }),
    ...chosen.flatMap((drive) => [
      "-drive",
      qemuOptions("", {
        file: pathFrom(options.base, drive.path),
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

const network: Part = (launch, options) => {
  const { net } = launch;
  if (net === undefined) return ["-nic", "none"];
  return [
    "-netdev",
    [
      `user,id=${net.id}`,
      ...(options.isolateNetwork ? ["restrict=on"] : []),
      ...(options.forwards ?? net.forwards).map(({ address = "", host, guest }: Forward) => `hostfwd=tcp:${address}:${host}-:${guest}`),
    ].join(","),
    "-device",
    qemuOptions("virtio-net-pci", { ...virtioOptions(launch), netdev: net.id, ...(net.rom === false ? { romfile: "" } : {}) }),
  ];
};

/** The options of virtio devices, as the Cocos command lines write them: `disable-legacy=on`, `iommu_platform=true`. */
function virtioOptions({ virtio: options = {} }: Described): Record<string, string | boolean | undefined> {
  const { iommu_platform: iommu, ...rest } = options;
  return { ...rest, iommu_platform: iommu === undefined ? undefined : String(iommu) };
}

const vsock: Part = ({ vsock: device }) =>
  device === undefined ? [] : ["-device", qemuOptions("vhost-vsock-pci", { "guest-cid": device.cid })];

const shares: Part = (launch, options) =>
  launch.shares.flatMap((share, index) => {
    const id = `fs${index}`;
    const path = sharePath(options.shares, share.tag) ?? placeholder(share);
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
        // With -nodefaults, -nographic adds no serial port.
        ...(launch.machine.nodefaults ? ["-serial", "mon:stdio"] : []),
        ...(options.monitors ?? launch.monitors).flatMap((monitor) => [
          "-monitor",
          monitor.startsWith("unix:") ? `${doubleCommas(monitor)},server,nowait` : monitor,
        ]),
      ];

/** QEMU emulates a Nitro enclave and its vsock, which is a vhost-user socket (docs/system/i386/nitro-enclave.rst). */
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
    pathFrom(options.base, launch.eif.path),
  ];
};
