import { open, readFile } from "node:fs/promises";
import { sha256 } from "../digest.js";
import { HalError } from "../errors.js";
import type { Measurements } from "../generated/types.js";
import { parseSize } from "../size.js";
import { type MeasuredFile, measureFile } from "./banks.js";
import type { NotPredicted, RegisterValue } from "./boot-events.js";
import { readEif } from "./eif.js";
import { type Firmware, readFirmware } from "./firmware.js";
import { gptSize, readGpt } from "./gpt.js";
import { readIgvm } from "./igvm.js";
import { igvmSnpLaunchDigest } from "./igvm-snp.js";
import type { NamedBytes } from "./kernel-boot.js";
import { type NitroImage, predictNitro } from "./nitro.js";
import { predictRtmr } from "./rtmr.js";
import { sevEsLaunchDigest, sevLaunchDigest } from "./sev.js";
import type { KernelHashes } from "./sev-hashes.js";
import { snpLaunchDigest } from "./snp.js";
import type { Measured, MeasuredStep } from "./steps.js";
import { type MrtdOrder, mrtd } from "./tdx.js";
import { predictVtpm, type VtpmBoot } from "./vtpm.js";

export const measuredPlatforms = ["sev", "sev-es", "sev-snp", "tdx", "vtpm", "nitro"] as const;
export type MeasuredPlatform = (typeof measuredPlatforms)[number];

/** What is measured, as files and settings. Everything optional is needed by some platform only; what is missing is said. */
export interface MeasureRequest {
  readonly platforms: readonly MeasuredPlatform[];
  readonly firmware?: string;
  /** edk2's stable tag or Debian's package version. */
  readonly firmwareVersion?: string;
  readonly igvm?: string;
  readonly kernel?: string;
  readonly initrds: readonly string[];
  readonly cmdline?: string;
  readonly eif?: string;
  readonly uki?: string;
  readonly disk?: string;
  readonly vcpus: readonly number[];
  readonly cpuModel?: string;
  readonly guestFeatures?: string;
  readonly memory?: string;
  readonly qemuVersion?: string;
  readonly boot: "direct" | "uki-disk" | "uki-kernel";
  readonly passOrder?: MrtdOrder;
  readonly nativeZero: boolean;
  /** Whether the kernel runs in a SEV guest, whose setup header QEMU leaves alone. */
  readonly guest: "plain" | "sev" | "tdx";
}

type Value = Measurements["values"][number];

/** A predicted value with everything that entered it, in order. */
export interface ExplainedValue extends Value {
  readonly steps: () => readonly MeasuredStep[];
}

export interface Prediction {
  readonly values: readonly ExplainedValue[];
  readonly notPredicted: Measurements["notPredicted"];
}

/** The files of a request, each read once. An initrd is streamed: only its digests are kept. */
interface Inputs {
  readonly request: MeasureRequest;
  readonly firmware: { readonly parsed: Firmware; readonly sha256: string } | undefined;
  readonly kernel: NamedBytes | undefined;
  readonly initrd: MeasuredFile | undefined;
  readonly uki: NamedBytes | undefined;
}

/**
 * Predicts every register of the platforms asked for.
 * @throws HalError "input" when a file cannot be read, a setting is missing or a combination is not supported
 */
export async function measure(request: MeasureRequest): Promise<Prediction> {
  const inputs: Inputs = {
    request,
    firmware: await readParsedFirmware(request.firmware),
    kernel: await readNamed(request.kernel),
    initrd: await readInitrd(request),
    uki: await readNamed(request.uki),
  };
  const values: ExplainedValue[] = [];
  const notPredicted: Measurements["notPredicted"] = [];
  for (const platform of request.platforms) {
    const part = await predictors[platform](inputs);
    values.push(...part.values);
    notPredicted.push(...part.notPredicted);
  }
  return { values, notPredicted };
}

/** The prediction as `measurements.json` has it. */
export function toMeasurements({ values, notPredicted }: Prediction): Measurements {
  return { schema: "hal.measurements/v1", values: values.map(({ steps: _, ...value }) => value), notPredicted };
}

const predictors: Readonly<Record<MeasuredPlatform, (inputs: Inputs) => Prediction | Promise<Prediction>>> = {
  sev: (inputs) =>
    launch("sev", "sha256", inputs, [undefined], () => sevLaunchDigest({ firmware: firmwareOf(inputs), ...kernelHashes(inputs) })),
  "sev-es": (inputs) =>
    launch("sev-es", "sha256", inputs, inputs.request.vcpus, (vcpus) =>
      sevEsLaunchDigest({
        firmware: firmwareOf(inputs),
        ...kernelHashes(inputs),
        vcpus,
        cpuModel: cpuModel(inputs),
        guestFeatures: features(inputs, "0x0"),
      }),
    ),
  "sev-snp": snp,
  tdx,
  vtpm,
  nitro,
};

/** One launch digest for each number of vCPUs. */
function launch(
  platform: "sev" | "sev-es" | "sev-snp",
  bank: Value["bank"],
  inputs: Inputs,
  counts: readonly (number | undefined)[],
  digest: (vcpus: number) => Measured,
): Prediction {
  const { request, firmware } = inputs;
  if (firmware === undefined) {
    return {
      values: [],
      notPredicted: [
        {
          platform,
          register: "launchDigest",
          why: "it is a digest of the firmware, and none is given (--firmware FILE, or launch.firmware in the profile)",
        },
      ],
    };
  }
  const values = counts.map((vcpus): ExplainedValue => {
    const measured = digest(vcpus ?? 1);
    const machine =
      vcpus === undefined
        ? {}
        : { vcpus, cpuModel: cpuModel(inputs), guestFeatures: `0x${features(inputs, platform === "sev-es" ? "0x0" : "0x1").toString(16)}` };
    return {
      platform,
      register: "launchDigest",
      bank,
      value: measured.digest,
      holdsFor: { firmware: firmware.sha256, ...machine },
      from: [
        "firmware",
        ...(request.kernel === undefined ? [] : ["kernel", "initrd", "cmdline"]),
        ...(vcpus === undefined ? [] : ["vcpus", "cpuModel", "guestFeatures"]),
      ],
      steps: () => measured.steps,
    };
  });
  return { values, notPredicted: [] };
}

async function snp(inputs: Inputs): Promise<Prediction> {
  const { igvm, vcpus, nativeZero } = inputs.request;
  if (igvm === undefined) {
    return launch("sev-snp", "sha384", inputs, vcpus, (count) =>
      snpLaunchDigest({
        firmware: firmwareOf(inputs),
        ...kernelHashes(inputs),
        vcpus: count,
        cpuModel: cpuModel(inputs),
        guestFeatures: features(inputs, "0x1"),
      }),
    );
  }
  const file = await needNamed(igvm);
  const measured = igvmSnpLaunchDigest(readIgvm(file.bytes, file.file), { nativeZero });
  const value: ExplainedValue = {
    platform: "sev-snp",
    register: "launchDigest",
    bank: "sha384",
    value: measured.digest,
    holdsFor: { igvm: sha256(file.bytes), nativeZero },
    from: ["igvm"],
    steps: () => measured.steps,
  };
  const why = measured.kvmObjections.join("; ");
  return { values: [value], notPredicted: why === "" ? [] : [{ platform: "sev-snp", register: "launchDigest under QEMU with KVM", why }] };
}

function tdx(inputs: Inputs): Prediction {
  const { request, firmware } = inputs;
  const orders = request.passOrder === undefined ? (["single", "two"] as const) : [request.passOrder];
  const values: ExplainedValue[] = [];
  const notPredicted: Measurements["notPredicted"] = [];
  if (firmware === undefined)
    notPredicted.push({
      platform: "tdx",
      register: "mrtd",
      why: "it is a digest of the firmware, and none is given (--firmware FILE, or launch.firmware in the profile)",
    });
  else {
    for (const passOrder of orders) {
      const measured = mrtd(firmwareOf(inputs), passOrder);
      const holdsFor = { firmware: firmware.sha256, passOrder };
      values.push({
        platform: "tdx",
        register: "mrtd",
        bank: "sha384",
        value: measured.digest,
        holdsFor,
        from: ["firmware"],
        steps: () => measured.steps,
      });
    }
  }
  if (inputs.kernel === undefined) {
    const why = "it is a digest of the kernel, and none is given (--kernel FILE)";
    return { values, notPredicted: [...notPredicted, ...["rtmr1", "rtmr2"].map((register) => ({ platform: "tdx", register, why }))] };
  }
  const boot = directBoot(inputs);
  return registers("tdx", { values, notPredicted }, predictRtmr(boot), machineOf(inputs));
}

async function vtpm(inputs: Inputs): Promise<Prediction> {
  const { request, uki } = inputs;
  const common = { firmwareVersion: needed(request.firmwareVersion, "--firmware-version", "the edk2 release decides what it measures") };
  const nothing: Prediction = { values: [], notPredicted: [] };
  if (request.boot === "direct") {
    const boot: VtpmBoot = { boot: "direct", ...directBoot(inputs), guest: request.guest };
    return registers("vtpm", nothing, predictVtpm(boot), machineOf(inputs));
  }
  const image = needed(uki, "--uki", "a unified kernel image is what boots");
  const holdsFor = { firmwareVersion: common.firmwareVersion, boot: request.boot };
  const boot: VtpmBoot =
    request.boot === "uki-kernel"
      ? { ...common, boot: "uki-kernel", uki: image }
      : {
          ...common,
          boot: "uki-disk",
          uki: image,
          gpt: await readDiskGpt(needed(request.disk, "--disk", "its partition table is measured")),
        };
  return registers("vtpm", nothing, predictVtpm(boot), holdsFor);
}

async function nitro(inputs: Inputs): Promise<Prediction> {
  const { request, kernel } = inputs;
  const part = request.eif === undefined ? await enclaveFromParts(request, kernel) : await enclaveFromFile(request.eif);
  return registers("nitro", { values: [], notPredicted: [] }, predictNitro(part), {});
}

async function enclaveFromFile(eif: string): Promise<NitroImage> {
  const { bytes, file } = await needNamed(eif);
  return readEif(bytes, file);
}

async function enclaveFromParts(request: MeasureRequest, kernel: NamedBytes | undefined): Promise<NitroImage> {
  const ramdisks = await Promise.all(request.initrds.map(needNamed));
  return {
    kernel: needed(kernel, "--kernel or --eif", "an enclave image has a kernel").bytes,
    cmdline: new TextEncoder().encode(needed(request.cmdline, "--cmdline", "it is measured")),
    ramdisks: ramdisks.map(({ bytes }) => bytes),
  };
}

function registers(
  platform: MeasuredPlatform,
  before: Prediction,
  part: { readonly values: readonly RegisterValue[]; readonly notPredicted: readonly NotPredicted[] },
  holdsFor: Value["holdsFor"],
): Prediction {
  const values = part.values.map(({ register, bank, value, steps }): ExplainedValue => {
    const from = [...new Set(steps.flatMap((step) => step.from?.split(", ") ?? []))];
    return { platform, register, bank, value, holdsFor, from, steps: () => steps };
  });
  return {
    values: [...before.values, ...values],
    notPredicted: [...before.notPredicted, ...part.notPredicted.map((entry) => ({ platform, ...entry }))],
  };
}

function directBoot({ request, kernel, initrd }: Inputs) {
  return {
    kernel: needed(kernel, "--kernel", "it is measured"),
    ...(initrd === undefined ? {} : { initrd }),
    cmdline: needed(request.cmdline, "--cmdline", "it is measured"),
    memory: parseSize(needed(request.memory, "--memory", "QEMU writes into the kernel's header where the initrd lies")),
    qemuVersion: needed(request.qemuVersion, "--qemu-version", "it decides whether the kernel's header is patched"),
    firmwareVersion: needed(request.firmwareVersion, "--firmware-version", "the edk2 release decides what it measures"),
  };
}

function machineOf({ request }: Inputs): Value["holdsFor"] {
  return {
    ...(request.memory === undefined ? {} : { memory: request.memory }),
    ...(request.qemuVersion === undefined ? {} : { qemuVersion: request.qemuVersion }),
    ...(request.firmwareVersion === undefined ? {} : { firmwareVersion: request.firmwareVersion }),
  };
}

function firmwareOf({ firmware }: Inputs): Firmware {
  return needed(firmware, "--firmware", "it is measured").parsed;
}

function cpuModel({ request }: Inputs): string {
  return needed(request.cpuModel, "--cpu-model", "each vCPU's first state has its signature");
}

function features({ request }: Inputs, fallback: string): bigint {
  return BigInt(request.guestFeatures ?? fallback);
}

function kernelHashes({ request, kernel, initrd }: Inputs): { readonly kernel?: KernelHashes } {
  if (kernel === undefined) return {};
  const cmdline = request.cmdline ?? "";
  if (cmdline.includes("\0")) throw new HalError("input", "command line: a NUL would cut it short");
  const bytes = (hex: string): Uint8Array => Buffer.from(hex, "hex");
  return {
    kernel: {
      kernel: bytes(sha256(kernel.bytes)),
      initrd: bytes(initrd?.digests.sha256 ?? sha256("")),
      cmdline: bytes(sha256(`${cmdline}\0`)),
    },
  };
}

function needed<T>(value: T | undefined, option: string, why: string): T {
  if (value === undefined) throw new HalError("input", `${option} is missing: ${why}`, { remedy: `give ${option}` });
  return value;
}

async function readInitrd(request: MeasureRequest): Promise<MeasuredFile | undefined> {
  const [first, ...more] = request.initrds;
  if (first === undefined) return undefined;
  if (more.length > 0 && request.platforms.some((platform) => platform !== "nitro")) {
    throw new HalError("input", "QEMU takes one initrd", {
      remedy: "concatenate them as they are given to QEMU; only --platform nitro has several ramdisks",
    });
  }
  return reading(first, measureFile);
}

async function readParsedFirmware(path: string | undefined): Promise<Inputs["firmware"]> {
  if (path === undefined) return undefined;
  const { bytes, file } = await needNamed(path);
  return { parsed: readFirmware(bytes, file), sha256: sha256(bytes) };
}

const readNamed = async (file: string | undefined): Promise<NamedBytes | undefined> => (file === undefined ? undefined : needNamed(file));

function needNamed(file: string): Promise<NamedBytes> {
  return reading(file, async () => ({ file, bytes: new Uint8Array(await readFile(file)) }));
}

/** Only the start of a disk is read, however large it is. */
function readDiskGpt(file: string) {
  return reading(file, async () => {
    const handle = await open(file);
    try {
      const { size } = await handle.stat();
      const bytes = new Uint8Array(Math.min(gptSize, size));
      await handle.read(bytes, 0, bytes.length, 0);
      return readGpt(bytes, file, BigInt(Math.floor(size / 512)));
    } finally {
      await handle.close();
    }
  });
}

async function reading<T>(file: string, read: (file: string) => Promise<T>): Promise<T> {
  try {
    return await read(file);
  } catch (error) {
    if (error instanceof HalError) throw error;
    throw new HalError("input", `cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { at: { file } });
  }
}
