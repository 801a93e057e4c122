import { files, isEif, isInitrd } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { parseSize } from "../lib/size.js";
import { firmwarePlaceholder, firmwarePlaceholders } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { LaunchSettings, Platform, PlatformName } from "../model/platforms/platform.js";
import { pathKind, placeholder, shareVariable } from "../model/shares.js";
import { nitroArgv } from "./nitro-cli.js";
import { type QemuOptions, qemuArgv } from "./qemu.js";

type Artifact = NonNullable<Launch["kernel"]>;

/** The firmware of an image. The launcher gives a file that has no digest. */
export interface FirmwareFacts {
  readonly igvm: boolean;
  readonly sha256?: string;
  readonly package?: string;
  readonly packageVersion?: string;
  readonly vars?: { readonly sha256?: string };
}

/** What can differ between two launch.json of the same platform. Everything else in launch.json follows from it. */
export interface LaunchFacts {
  readonly profile: string;
  readonly platform: PlatformName;
  readonly backend?: NonNullable<Launch["backend"]>;
  readonly debug: boolean;
  /** The firmware boots a unified kernel image from the disk. */
  readonly uki: boolean;
  /** Without firmware. `policy` is absent if QEMU's default applies. */
  readonly settings: Omit<LaunchSettings, "firmware" | "igvm"> & { readonly cpuModel: string };
  readonly firmware?: FirmwareFacts;
  readonly kernel?: Artifact;
  readonly initrd?: Artifact;
  readonly eif?: Artifact;
  readonly disk?: Artifact;
  readonly cmdline: string;
}

/**
 * Returns launch.json for these facts. It refuses no setting: `settingsRefusal` does.
 * @throws HalError "input" if a file that the image boots is missing, or if an enclave has too little memory for its EIF
 */
export function composeLaunch(facts: LaunchFacts): Launch {
  const { settings, cmdline, debug } = facts;
  const platform = platforms[facts.platform];
  const boot = platform.starts === "enclave" ? "enclave" : facts.uki ? "disk" : "direct";
  const required = (file: Artifact | undefined, name: string): Artifact => {
    if (file === undefined)
      throw new HalError("input", `profile '${facts.profile}' boots ${name}, and the image directory has no such file`);
    return file;
  };
  const named = (file: Artifact | undefined, name: string): Artifact | undefined => file && { ...file, path: name };
  const kernel = named(facts.kernel, files.kernel);
  const initrd = facts.initrd && isInitrd(facts.initrd.path) ? facts.initrd : undefined;
  const eif = facts.eif && isEif(facts.eif.path) ? facts.eif : undefined;
  const disk = named(facts.disk, files.disk);
  const firmware = firmwareOf(facts.firmware);
  // An IGVM file has no table of hashes. Its vTPM measures kernel, initrd and command line into PCR 4 and PCR 9.
  const tee = platform.tee?.describe(settings, boot === "direct" && firmware?.kind !== "igvm");
  const launch: Omit<Launch, "argv"> = {
    schema: "hal.launch/v1",
    profile: facts.profile,
    platform: platform.name,
    ...(facts.backend === undefined ? {} : { backend: facts.backend }),
    debug,
    boot,
    machine: platform.machine,
    cpu: cpuOf(settings),
    memory: memoryOf(settings, platform),
    ...(firmware === undefined ? {} : { firmware }),
    ...(boot === "direct" ? { kernel: required(kernel, files.kernel), initrd: required(initrd, "an initrd") } : {}),
    ...(boot === "enclave" ? { ...(kernel && { kernel }), ...(initrd && { initrd }), eif: required(eif, "an EIF") } : {}),
    cmdline,
    drives: disk !== undefined ? [{ id: "disk0", ...disk, format: "raw", snapshot: settings.disk.snapshot }] : [],
    ...(platform.virtio === undefined ? {} : { virtio: platform.virtio }),
    net: { ...platform.net, forwards: settings.forwards },
    ...(settings.vsock === undefined ? {} : { vsock: settings.vsock }),
    shares: settings.shares.map(({ tag, type }) => ({ tag, type, variable: shareVariable(tag) })),
    monitors: settings.monitors,
    ...(tee === undefined ? {} : { tee }),
    placeholders: [
      ...[firmware, firmware?.vars].flatMap((file) => firmwarePlaceholder(file) ?? []).map(({ word, means }) => ({ word, means })),
      ...settings.shares.map((share) => ({ word: placeholder(share), means: `${pathKind(share)} of share ${share.tag}` })),
    ],
    measurements: {
      file: files.measurements,
      values: platform.registers(tee, firmware),
      holdsFor: {
        ...(firmware?.sha256 === undefined ? {} : { firmware: firmware.sha256 }),
        vcpus: settings.cpus,
        cpuModel: settings.cpuModel,
        memory: parseSize(settings.memory),
        ...(tee?.guestFeatures === undefined ? {} : { guestFeatures: tee.guestFeatures }),
      },
    },
  };
  if (boot === "disk") required(disk, files.disk);
  return { ...launch, argv: [...launchArgv(launch)] };
}

/** The facts that a launch.json contains. `composeLaunch` gives the same launch.json again, if hal wrote it. */
export function factsOf(launch: Launch): LaunchFacts {
  const { cpu, memory, drives, net, vsock, tee, firmware, backend, kernel, initrd, eif } = launch;
  const [drive] = drives;
  const settings: Record<string, unknown> & LaunchFacts["settings"] = {
    cpus: cpu.count,
    cpuModel: cpu.model,
    memory: memory.size,
    disk: { snapshot: drive?.snapshot ?? true },
    forwards: net?.forwards ?? [],
    shares: launch.shares.map(({ tag, type }) => ({ tag, type })),
    monitors: launch.monitors,
    // The schema's defaults, for a platform whose TEE object lacks them. A TEE object that must have them then differs.
    cbitpos: tee?.cbitpos ?? 51,
    reducedPhysBits: tee?.reducedPhysBits ?? 1,
    guestFeatures: tee?.guestFeatures ?? "0x1",
    ...defined({
      maxCpus: cpu.max,
      sockets: cpu.topology?.sockets,
      threads: cpu.topology?.threads,
      memorySlots: memory.slots,
      maxMemory: memory.max,
      vsock,
      policy: tee?.policy,
      hostData: tee?.hostData,
      quoteGenerationSocket: tee?.quoteGenerationSocket,
    }),
  };
  return {
    profile: launch.profile,
    platform: launch.platform,
    debug: launch.debug,
    uki: launch.boot === "disk",
    settings,
    cmdline: launch.cmdline,
    ...defined({ backend, kernel, initrd, eif }),
    ...(drive === undefined ? {} : { disk: { path: drive.path, size: drive.size, sha256: drive.sha256 } }),
    ...(firmware === undefined ? {} : { firmware: { ...firmware, igvm: firmware.kind === "igvm" } }),
  };
}

function defined<T extends Readonly<Record<string, unknown>>>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}

/**
 * Returns the command that starts an image on its own platform: nitro-cli for an enclave, else QEMU.
 * Without a base in the options, the command must run in the folder of launch.json.
 * @throws HalError "input" for the same reasons as `nitroArgv` and `qemuArgv`
 */
export function launchArgv(launch: Omit<Launch, "argv">, options: QemuOptions = {}): readonly string[] {
  return launch.boot === "enclave" ? nitroArgv(launch, options) : qemuArgv(launch, options);
}

function cpuOf({ sockets, threads, cpus, maxCpus, cpuModel }: LaunchFacts["settings"]): Launch["cpu"] {
  const packages = (sockets ?? 1) * (threads ?? 1);
  // The topology of QEMU contains all CPUs, also those that are added later.
  const all = maxCpus ?? cpus;
  return {
    model: cpuModel,
    count: cpus,
    ...(maxCpus === undefined ? {} : { max: maxCpus }),
    ...(sockets === undefined && threads === undefined
      ? {}
      : { topology: { sockets: sockets ?? 1, cores: all / packages, threads: threads ?? 1 } }),
  };
}

function memoryOf(settings: LaunchFacts["settings"], platform: Platform): Launch["memory"] {
  const virtiofs = settings.shares.some((share) => share.type === "virtiofs");
  // A vhost-user device reads the guest's memory through a file descriptor, so the memory must be shared.
  const shared = virtiofs ? { share: true } : {};
  const backend = platform.memory ?? (virtiofs ? { id: "ram1", options: {} } : undefined);
  return {
    size: settings.memory,
    bytes: parseSize(settings.memory),
    ...(settings.memorySlots === undefined ? {} : { slots: settings.memorySlots }),
    ...(settings.maxMemory === undefined ? {} : { max: settings.maxMemory }),
    ...(backend === undefined ? {} : { backend: { id: backend.id, options: { ...backend.options, ...shared } } }),
  };
}

function firmwareOf(facts: FirmwareFacts | undefined): Launch["firmware"] {
  if (facts === undefined) return undefined;
  const { igvm, sha256, vars } = facts;
  return {
    kind: igvm ? "igvm" : vars !== undefined ? "pflash" : "bios",
    path: sha256 === undefined ? firmwarePlaceholders.code.word : igvm ? files.igvm : files.firmware,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(facts.package === undefined ? {} : { package: facts.package }),
    ...(facts.packageVersion === undefined ? {} : { packageVersion: facts.packageVersion }),
    ...(vars === undefined
      ? {}
      : { vars: vars.sha256 === undefined ? { path: firmwarePlaceholders.vars.word } : { path: files.firmwareVars, sha256: vars.sha256 } }),
  };
}
