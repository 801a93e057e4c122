import { HalError } from "../lib/errors.js";
import { note, print, printJson, shortDigests, table } from "../lib/terminal.js";
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

// What reads an output directory loads the schemas: bare files do without, and start in a third of the time.
/** Predicts what the hardware will report: of an output directory, varied by options, or of bare files. */
export async function measure(dir: string | undefined, options: Options): Promise<void> {
  if (options.diff !== undefined) {
    if (dir === undefined)
      throw new HalError("input", "--diff compares two output directories", { remedy: "hal measure OUT/A --diff OUT/B" });
    if (options.explain || Object.keys(bareRequest(options)).length > 0)
      throw new HalError("input", "--diff compares what was measured of two directories: nothing else can be given with it but --json", {
        remedy: "hal measure OUT/A --diff OUT/B",
      });
    const differences = await (await import("../measure/diff.js")).diffOutputs(dir, options.diff);
    if (options.json) printJson(differences);
    else print(differences.length === 0 ? "no register differs" : differenceText(differences));
    return;
  }
  const given = bareRequest(options);
  const request = dir === undefined ? complete(given, options.platform) : varied(await requestOfDir(dir, options.platform), given);
  refuseParts(request, given);
  const prediction = await predict(request);
  if (dir !== undefined && Object.keys(given).length === 0) await writeMissing(dir, toMeasurements(prediction));
  if (options.json) {
    printJson(options.explain ? { ...toMeasurements(prediction), steps: prediction.values.map(explained) } : toMeasurements(prediction));
    return;
  }
  print(options.explain ? prediction.values.map(explainText).join("\n") : measurementTable(toMeasurements(prediction)));
  const compared = prediction.values.flatMap(({ platform, register }) => {
    const field = evidenceField(platform, register);
    return field === undefined ? [] : [`compare ${register} with ${field}`];
  });
  for (const line of new Set(compared)) note(line);
  for (const { platform, register, why } of prediction.notPredicted) note(`not predicted: ${platform} ${register}: ${why}`);
}

/** An output directory without measurements.json gets it, as its build wrote it; one that is there is the manifest's. */
async function writeMissing(dir: string, measurements: Measurements): Promise<void> {
  const { writeDocument } = await import("../bundle/documents.js");
  await writeDocument(dir, "measurements", measurements, "wx").catch((error: NodeJS.ErrnoException) => {
    if (!["EEXIST", "EROFS", "EACCES", "EPERM"].includes(error.code ?? "")) throw error;
  });
}

async function requestOfDir(dir: string, platform: MeasuredPlatform | undefined): Promise<MeasureRequest> {
  return (await import("../measure/from-bundle.js")).requestOf(dir, platform);
}

/**
 * What is given, over the directory's own. Another firmware is of another release, which it tells or --firmware-version does, and has
 * other variables. A unified kernel image that QEMU starts has its command line inside and none beside it.
 */
function varied({ firmwareVersion, vars, cmdline, ...own }: MeasureRequest, given: Partial<MeasureRequest>): MeasureRequest {
  const release =
    given.firmware !== undefined
      ? {}
      : { ...(firmwareVersion === undefined ? {} : { firmwareVersion }), ...(vars === undefined ? {} : { vars }) };
  const line = given.boot === "uki-kernel" || cmdline === undefined ? {} : { cmdline };
  return { ...own, ...release, ...line, ...given };
}

/** One file that boots everything has its kernel, initrd and command line in it: others beside it would be left out without a word. */
function refuseParts({ platforms, eif, boot, uki }: MeasureRequest, given: Partial<MeasureRequest>): void {
  // Without --uki, --kernel names it; and of a SEV guest QEMU hashes what stands beside it.
  const named = boot === "uki-kernel" && uki === undefined && platforms.includes("vtpm");
  const parts = { "--kernel": named ? undefined : given.kernel, "--initrd": given.initrds?.[0], "--cmdline": given.cmdline };
  const [option] = Object.entries(parts).find(([, value]) => value !== undefined) ?? [];
  const whole =
    eif !== undefined && platforms.includes("nitro")
      ? "an enclave image"
      : named || (boot !== "direct" && uki !== undefined)
        ? "a unified kernel image"
        : undefined;
  if (option !== undefined && whole !== undefined)
    throw new HalError("input", `${option} varies nothing: ${whole} is measured as it is`, {
      remedy: `give the parts without it, or another one with ${whole === "an enclave image" ? "--eif" : "--uki"}`,
    });
}

/** The options as a request; what is not given is not there, so that it can be laid over an output directory's own. */
function bareRequest(options: Options): Partial<MeasureRequest> {
  const { firmware, firmwareVersion, igvm, kernel, cmdline, eif, uki, disk, cpuModel, memory, qemuVersion, boot, passOrder } = options;
  if (options.guestFeatures !== undefined && !/^0x[0-9a-fA-F]{1,16}$/.test(options.guestFeatures))
    throw new HalError("input", `--guest-features ${options.guestFeatures} is not hexadecimal`, { remedy: "like 0x1" });
  if (memory !== undefined && !/^[1-9][0-9]{0,8}[KMGT]?$/.test(memory))
    throw new HalError("input", `--memory ${memory} is not a size`, { remedy: "like 8G" });
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
    ...(options.vcpus === undefined ? {} : { vcpus: vcpuCounts(options.vcpus) }),
    ...(options.nativeZero ? { nativeZero: true } : {}),
    ...(options.platform && { platforms: [options.platform] }),
  };
}

function vcpuCounts(text: string): number[] {
  const counts = text.split(",").map(Number);
  if (!/^[0-9]+(,[0-9]+)*$/.test(text) || counts.some((count) => count < 1 || count > 4096)) {
    throw new HalError("input", `--vcpus ${text} is not a list of numbers from 1 to 4096`, { remedy: "like 4, or 1,2,4,8" });
  }
  return [...new Set(counts)];
}

/** Bare files: the platform must be said, everything else has the values that hal's own launch metadata would have. */
function complete(given: Partial<MeasureRequest>, platform: MeasuredPlatform | undefined): MeasureRequest {
  if (!platform)
    throw new HalError("input", "give an output directory, or --platform and files", {
      remedy: "hal measure out/sev-snp, or hal measure --platform sev-snp --firmware OVMF.fd --vcpus 4 --cpu-model EPYC-v4",
    });
  const { measuresVcpus, kernelHeader } = measuredPlatforms[platform];
  if (measuresVcpus && given.vcpus === undefined && given.igvm === undefined)
    throw new HalError("input", "--vcpus is missing: each vCPU's first state is measured", { remedy: "give --vcpus N" });
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

/** What made each register differ, its banks together. */
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

/** One line per register: the value, and what it holds for. */
export function measurementTable({ values }: Measurements): string {
  return table(
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

function explained({ platform, register, bank, steps }: ExplainedValue) {
  return {
    platform,
    register,
    bank,
    steps: steps().map((step) => ({ ...step, ...(step.gpa === undefined ? {} : { gpa: `0x${step.gpa.toString(16)}` }) })),
  };
}

function explainText(value: ExplainedValue): string {
  const rows = value
    .steps()
    .map(({ what, digest, gpa, size, from }) => [
      `  ${gpa === undefined ? "" : `0x${gpa.toString(16)}`}`,
      size === undefined ? "" : `${size}`,
      what,
      from ?? "",
      digest ?? "",
    ]);
  return `${value.platform} ${value.register} ${value.bank} ${value.value}\n${table(rows)}`;
}
