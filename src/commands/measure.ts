import { resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { formatTable, note, print, printJson, shortDigests } from "../lib/terminal.js";
import type { Difference } from "../measure/diff.js";
import { measure as predict, toMeasurements } from "../measure/measure.js";
import type { ExplainedValue, MeasureRequest } from "../measure/request.js";
import type { Measurements } from "../model/generated.js";
import { measuredPlatforms } from "../model/measured-platforms.js";
import { evidenceField } from "../model/platforms/index.js";
import type { MeasuredPlatform } from "../model/platforms/platform.js";

interface Options {
  readonly platform?: MeasuredPlatform;
  readonly firmware?: string;
  readonly firmwareVersion?: string;
  readonly igvm?: string;
  readonly kernel?: string;
  readonly initrd: readonly string[];
  readonly cmdline?: string;
  readonly eif?: string;
  readonly uki?: string;
  readonly disk?: string;
  readonly vcpus?: string;
  readonly cpuModel?: string;
  readonly guestFeatures?: string;
  readonly memory?: string;
  readonly qemuVersion?: string;
  readonly boot?: "direct" | "uki-disk" | "uki-kernel";
  readonly passOrder?: "single" | "two";
  readonly nativeZero: boolean;
  readonly explain: boolean;
  readonly diff?: string;
  readonly json?: boolean;
}

/**
 * `hal measure`: predicts the registers that the hardware will report. It measures an image directory, or files that options name.
 * Options can also replace values of the directory. With `--diff`, the command compares two image directories instead.
 * Modules that read an image directory also load the schemas. hal imports them only for a directory, to start faster for files.
 * @throws HalError "input" for missing or contradictory options, and for files that cannot be measured
 */
export async function measure(dir: string | undefined, options: Options): Promise<void> {
  if (options.diff !== undefined) return printDifferences(dir, options.diff, options);
  const given = requestedValues(options);
  const described = dir === undefined ? undefined : await readDirectory(dir, options.platform);
  const request = described === undefined ? requestForFiles(given) : replaceValues(described.request, given);
  if (request.platforms.length === 0)
    throw new HalError("input", "hal predicts no register of the image's platform", { at: { file: dir ?? "" } });
  refuseIgnoredParts(request, given);
  const prediction = await predict(request);
  const measurements = toMeasurements(prediction, described?.launch);
  if (dir !== undefined && Object.keys(given).length === 0) await writeIfMissing(dir, measurements);
  if (options.json) return printJson(options.explain ? { ...measurements, steps: prediction.values.map(stepsAsJson) } : measurements);
  print(options.explain ? prediction.values.map(stepsAsText).join("\n") : measurementTable(measurements));
  const compared = prediction.values.flatMap(({ platform, register }) => {
    const field = evidenceField(platform, register);
    return field === undefined ? [] : [`compare ${register} with ${field}`];
  });
  for (const line of new Set(compared)) note(line);
  for (const { platform, register, why } of prediction.notPredicted) note(`not predicted: ${platform} ${register}: ${why}`);
}

async function printDifferences(dir: string | undefined, other: string, options: Options): Promise<void> {
  const remedy = "run: hal measure OUT/A --diff OUT/B";
  if (dir === undefined) throw new HalError("input", "--diff needs two image directories", { remedy });
  if (options.explain || Object.keys(requestedValues(options)).length > 0)
    throw new HalError("input", "--diff compares two measurements.json files, and only --json can be used with it", { remedy });
  const differences = await (await import("../measure/diff.js")).diffOutputs(dir, other);
  if (options.json) printJson(differences);
  else print(differences.length === 0 ? "no register differs" : differenceText(differences));
}

/** Writes measurements.json as the build writes it. It never replaces the file, because the manifest contains its digest. */
async function writeIfMissing(dir: string, measurements: Measurements): Promise<void> {
  const { writeDocument } = await import("../bundle/documents.js");
  await writeDocument(dir, "measurements", measurements, "wx").catch((error: NodeJS.ErrnoException) => {
    if (!["EEXIST", "EROFS", "EACCES", "EPERM"].includes(error.code ?? "")) throw error;
  });
}

/** The launch metadata of an image directory, and the request that measures it as they start it. */
async function readDirectory(dir: string, platform: MeasuredPlatform | undefined) {
  const { readJudgedLaunch } = await import("../launch/judge.js");
  const { launchRequest } = await import("../measure/from-bundle.js");
  const launch = await readJudgedLaunch(dir);
  return { launch, request: launchRequest(launch, resolve(dir), platform) };
}

/**
 * Replaces values of an image directory by those of the options. A firmware file from the options also removes the release and
 * the variables of the directory's firmware. With `--boot uki-kernel`, the unified kernel image contains its command line, so the
 * command line of the directory is removed.
 */
function replaceValues({ firmwareVersion, vars, cmdline, ...own }: MeasureRequest, given: Partial<MeasureRequest>): MeasureRequest {
  const release =
    given.firmware !== undefined
      ? {}
      : { ...(firmwareVersion === undefined ? {} : { firmwareVersion }), ...(vars === undefined ? {} : { vars }) };
  const line = given.boot === "uki-kernel" || cmdline === undefined ? {} : { cmdline };
  return { ...own, ...release, ...line, ...given };
}

/**
 * Refuses a kernel, initrd or command line that the measurement would ignore.
 * An enclave image and a unified kernel image already contain all three.
 */
function refuseIgnoredParts({ platforms, eif, boot, uki }: MeasureRequest, given: Partial<MeasureRequest>): void {
  // Without --uki, --kernel names the unified kernel image, and a vTPM measures nothing else. For SEV, QEMU hashes the other parts too.
  const kernelIsUki = boot === "uki-kernel" && uki === undefined && platforms.includes("vtpm");
  const parts = { "--kernel": kernelIsUki ? undefined : given.kernel, "--initrd": given.initrds?.[0], "--cmdline": given.cmdline };
  const [option] = Object.entries(parts).find(([, value]) => value !== undefined) ?? [];
  const whole =
    eif !== undefined && platforms.includes("nitro")
      ? "an enclave image"
      : kernelIsUki || (boot !== "direct" && uki !== undefined)
        ? "a unified kernel image"
        : undefined;
  if (option !== undefined && whole !== undefined)
    throw new HalError("input", `${option} has no effect, because ${whole} already contains it`, {
      remedy: `remove ${option}, or name another file with ${whole === "an enclave image" ? "--eif" : "--uki"}`,
    });
}

/**
 * Returns the values that the options set. A value that no option sets has no key in the result.
 * @throws HalError "input" for an option with a malformed value
 */
function requestedValues(options: Options): Partial<MeasureRequest> {
  const { firmware, firmwareVersion, igvm, kernel, cmdline, eif, uki, disk, cpuModel, memory, qemuVersion, boot, passOrder } = options;
  if (options.guestFeatures !== undefined && !/^0x[0-9a-fA-F]{1,16}$/.test(options.guestFeatures))
    throw new HalError("input", `--guest-features ${options.guestFeatures} is not hexadecimal`, { remedy: "use a number such as 0x1" });
  if (memory !== undefined && !/^[1-9][0-9]{0,8}[KMGT]?$/.test(memory))
    throw new HalError("input", `--memory ${memory} is not a size`, { remedy: "use a size such as 8G" });
  const given = {
    firmware,
    firmwareVersion,
    igvm,
    kernel,
    cmdline,
    eif,
    uki,
    disk,
    cpuModel,
    guestFeatures: options.guestFeatures,
    memory,
    qemuVersion,
    boot,
    passOrder,
  };
  return {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<MeasureRequest>),
    ...(options.initrd.length === 0 ? {} : { initrds: options.initrd }),
    ...(options.vcpus === undefined ? {} : { vcpus: parseVcpus(options.vcpus) }),
    ...(options.nativeZero ? { nativeZero: true } : {}),
    ...(options.platform && { platforms: [options.platform] }),
  };
}

function parseVcpus(text: string): number[] {
  const counts = text.split(",").map(Number);
  if (!/^[0-9]+(,[0-9]+)*$/.test(text) || counts.some((count) => count < 1 || count > 4096)) {
    throw new HalError("input", `--vcpus ${text} is not a list of numbers from 1 to 4096`, { remedy: "use a list such as 4 or 1,2,4,8" });
  }
  return [...new Set(counts)];
}

/**
 * Completes a request for files that options name. Missing values get the defaults of launch.json.
 * @throws HalError "input" if the platform, or a required number of vCPUs, is missing
 */
function requestForFiles(given: Partial<MeasureRequest>): MeasureRequest {
  const [platform] = given.platforms ?? [];
  if (!platform)
    throw new HalError("input", "hal measure needs an image directory, or --platform and files", {
      remedy: "for example: hal measure out/sev-snp, or hal measure --platform sev-snp --firmware OVMF.fd --vcpus 4 --cpu-model EPYC-v4",
    });
  const { measuresVcpus, kernelHeader } = measuredPlatforms[platform];
  if (measuresVcpus && given.vcpus === undefined && given.igvm === undefined)
    throw new HalError("input", "--vcpus is missing, and the platform measures the initial state of each vCPU", {
      remedy: "add --vcpus N",
    });
  return {
    platforms: [platform],
    initrds: [],
    vcpus: [1],
    boot: "direct",
    nativeZero: false,
    guest: kernelHeader,
    ...given,
  };
}

/** Lists each register that differs, with its banks and the reasons. */
function differenceText(differences: readonly Difference[]): string {
  const groups = new Map<string, { readonly banks: string[]; readonly because: readonly string[] }>();
  for (const { platform, register, bank, because } of differences) {
    const key = `${platform} ${register}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { banks: [bank], because });
    else if (!group.banks.includes(bank)) group.banks.push(bank);
  }
  return [...groups]
    .map(([key, { banks, because }]) => [`${key} (${banks.join(", ")}) differs`, ...because.map((line) => `  ${line}`)].join("\n"))
    .join("\n");
}

/** Returns a table with one line for each register: its value and the conditions under which it is valid. */
export function measurementTable({ values }: Measurements): string {
  return formatTable(
    values.map(({ platform, register, bank, value, holdsFor }) => [
      platform,
      register,
      bank,
      value,
      Object.entries(holdsFor)
        .map(([key, held]) => `${key}=${shortDigests(String(held))}`)
        .join(" "),
    ]),
  );
}

function stepsAsJson({ platform, register, bank, steps }: ExplainedValue) {
  return {
    platform,
    register,
    bank,
    steps: steps().map((step) => ({ ...step, ...(step.gpa === undefined ? {} : { gpa: `0x${step.gpa.toString(16)}` }) })),
  };
}

function stepsAsText(value: ExplainedValue): string {
  const rows = value
    .steps()
    .map(({ what, digest, gpa, size, from }) => [
      `  ${gpa === undefined ? "" : `0x${gpa.toString(16)}`}`,
      size === undefined ? "" : `${size}`,
      what,
      from ?? "",
      digest ?? "",
    ]);
  return `${value.platform} ${value.register} ${value.bank} ${value.value}\n${formatTable(rows)}`;
}
