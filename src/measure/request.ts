import { type Firmware, readFirmware } from "../codecs/ovmf.js";
import { type MeasuredFile, measureFile } from "../lib/banks.js";
import type { NamedBytes } from "../lib/bytes.js";
import { sha256, sha256File } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { readRegular } from "../lib/regular-file.js";
import { parseSize } from "../lib/size.js";
import type { Measurements } from "../model/generated.js";
import { measuredPlatforms } from "../model/measured-platforms.js";
import type { MeasuredPlatform, Platform } from "../model/platforms/platform.js";
import type { NotPredicted, RegisterValue } from "./events.js";
import type { MeasuredStep } from "./steps.js";
import type { MrtdOrder } from "./tdx/mrtd.js";

/** The files and settings to measure. Each platform needs some of the optional ones and names the first that is missing. */
export interface MeasureRequest {
  readonly platforms: readonly MeasuredPlatform[];
  readonly firmware?: string;
  /** The firmware's variables, if they are in another file. */
  readonly vars?: string;
  /** edk2's stable tag or Debian's package version. Without it, hal reads the release from the firmware. */
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
  /** How QEMU changes the kernel's setup header. */
  readonly guest: Platform["kernelHeader"];
}

export type Value = Measurements["values"][number];

/** A predicted value with the steps that lead to it. */
export interface ExplainedValue extends Value {
  readonly steps: () => readonly MeasuredStep[];
}

export interface Prediction {
  readonly values: readonly ExplainedValue[];
  readonly notPredicted: Measurements["notPredicted"];
}

/**
 * The files of a request. hal reads each one once, when the first platform needs it. It streams the initrd and keeps only digests, because
 * an initrd may be larger than memory.
 */
export interface RequestFiles {
  readonly request: MeasureRequest;
  readonly firmware: () => Promise<{ readonly parsed: Firmware; readonly sha256: string } | undefined>;
  readonly kernel: () => Promise<NamedBytes | undefined>;
  readonly initrd: () => Promise<MeasuredFile | undefined>;
  /** Hex. Computes no other digest of the initrd, unless a platform of the request needs them. */
  readonly initrdSha256: () => Promise<string | undefined>;
  /** The edk2 release; undefined for firmware that does not state it. */
  readonly firmwareVersion: () => Promise<string | undefined>;
}

export function requestFiles(request: MeasureRequest): RequestFiles {
  const initrd = once(() => ifGiven(oneInitrd(request), measureFile));
  const everyBank = request.platforms.some((platform) => measuredPlatforms[platform].everyBank);
  const firmware = once(() =>
    ifGiven(request.firmware, async (file) => {
      const { bytes } = await readNamed(file);
      return { parsed: readFirmware(bytes, file), sha256: sha256(bytes) };
    }),
  );
  return {
    request,
    firmware,
    kernel: once(() => ifGiven(request.kernel, (file) => readNamed(file))),
    initrd,
    initrdSha256: once(async () => (everyBank ? (await initrd())?.digests.sha256 : ifGiven(oneInitrd(request), sha256File))),
    firmwareVersion: once(async () => {
      if (request.firmwareVersion !== undefined) return request.firmwareVersion;
      const file = needed(await firmware(), "--firmware-version", "the edk2 release decides what it measures");
      return (await import("../codecs/firmware-volumes.js")).firmwareVersionIn(file.parsed);
    }),
  };
}

/** A function that reads at its first call and returns the same value at each later one. */
function once<T>(read: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined;
  return () => {
    value ??= read();
    return value;
  };
}

async function ifGiven<T>(file: string | undefined, read: (file: string) => Promise<T>): Promise<T | undefined> {
  return file === undefined ? undefined : reading(file, read);
}

function oneInitrd({ initrds: [first, ...more] }: MeasureRequest): string | undefined {
  if (more.length === 0) return first;
  throw new HalError("input", "QEMU accepts one initrd", {
    remedy: "concatenate the files; only --platform nitro has several ramdisks",
  });
}

/** Bytes; far more than a kernel or firmware has. */
const maxWhole = 2 ** 30;
/** Bytes. An enclave image contains a whole system. Node.js reads no more at once. */
export const maxEnclave = 2 ** 31 - 1;

/** Reads a whole regular file of at most `most` bytes. */
export async function readNamed(file: string, most = maxWhole): Promise<NamedBytes> {
  return { file, bytes: await reading(file, () => readRegular(file, { most })) };
}

/** Runs an operation on a file. Turns an error of the system into a kind "input" error that names the file. */
export async function reading<T>(file: string, read: (file: string) => Promise<T>): Promise<T> {
  try {
    return await read(file);
  } catch (error) {
    if (error instanceof HalError) throw error;
    throw new HalError("input", `cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { at: { file } });
  }
}

/** The unified kernel image that boots: `--uki`, or else `--kernel`. */
export async function unifiedKernel({ boot, uki, kernel }: MeasureRequest): Promise<NamedBytes> {
  return readNamed(needed(uki ?? kernel, "--uki", `--boot ${boot} starts it`));
}

/** A setting that a platform requires. */
export function needed<T>(value: T | undefined, option: string, why: string): T {
  if (value === undefined) throw new HalError("input", `${option} is missing: ${why}`, { remedy: `give ${option}` });
  return value;
}

/** Why a launch digest is not predicted when no firmware is given. */
export const noFirmware = "it is a digest of the firmware, and none is given (--firmware FILE, or launch.firmware in the profile)";

/** Why nothing is predicted for firmware that does not state its release. */
export const unknownRelease = "the edk2 release decides what is measured, and the firmware does not state its own: give --firmware-version";

/** The files and settings that direct kernel boot measures, and those that change what it measures. */
export async function directBoot({ request, kernel, initrd }: RequestFiles, firmwareVersion: string) {
  const measured = await initrd();
  return {
    kernel: needed(await kernel(), "--kernel", "it is measured"),
    ...(measured === undefined ? {} : { initrd: measured }),
    cmdline: needed(request.cmdline, "--cmdline", "it is measured"),
    memory: machineMemory(needed(request.memory, "--memory", "QEMU writes the address of the initrd into the kernel's header")),
    qemuVersion: needed(request.qemuVersion, "--qemu-version", "it decides whether QEMU changes the kernel's header"),
    firmwareVersion,
  };
}

/** Bytes. Firmware does not start with less. */
const leastMemory = 2 ** 24;

/** Bytes of a machine's memory. A size without a unit is bytes here but megabytes for QEMU, so a tiny one is probably a mistake. */
function machineMemory(text: string): number {
  const bytes = parseSize(text);
  if (bytes >= leastMemory) return bytes;
  throw new HalError("input", `memory: ${bytes} bytes are too few for a machine`, { remedy: "give a unit, like 2048M" });
}

export function machineOf({ request }: RequestFiles, firmwareVersion: string): Value["holdsFor"] {
  return {
    ...(request.memory === undefined ? {} : { memory: request.memory }),
    ...(request.qemuVersion === undefined ? {} : { qemuVersion: request.qemuVersion }),
    firmwareVersion,
  };
}

/** A prediction with the registers of a platform added. */
export function registers(
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
