import { join } from "node:path";
import { files } from "../bundle/files.js";
import { imageFile } from "../bundle/open.js";
import { chooseAccel } from "../launch/host.js";
import { HalError } from "../lib/errors.js";
import { cacheRoot } from "../lib/paths.js";
import { Plan } from "../lib/plan.js";
import { duration, runPlan } from "../lib/progress.js";
import { formatSize } from "../lib/size.js";
import { formatTable, note, print, printJson } from "../lib/terminal.js";
import { formatCommand } from "../lib/tools.js";
import { ordinary, platforms } from "../model/platforms/index.js";
import { acceptedLines } from "../model/weaknesses.js";
import { PARALLEL_BOOTS } from "../prove/boot-config.js";
import type { Check } from "../prove/checks/index.js";
import type { Figures } from "../prove/facts.js";
import { type ImageUnderTest, readImage } from "../prove/image.js";
import { prove } from "../prove/prove.js";
import { proveTpm } from "../prove/prove-tpm.js";
import { type CaseResult, chooseCases, runCases } from "../prove/run-cases.js";

interface Options {
  readonly hostile: boolean;
  readonly stress: boolean;
  readonly case: readonly string[];
  readonly tpm: boolean;
  readonly boot?: "uki-kernel";
  readonly save?: string;
  readonly accel: "auto" | "kvm" | "tcg";
  readonly json?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Boots the image of an image directory and checks its promises.
 * @throws HalError "check" when a check fails, "input" for options that do not fit together
 */
export async function test(dir: string, options: Options): Promise<void> {
  if (options.case.length > 0 && !options.hostile) throw new HalError("input", "--case needs --hostile", { remedy: "add --hostile" });
  if (options.tpm && options.hostile)
    throw new HalError("input", "--tpm and --hostile are separate tests", { remedy: "run one after the other" });
  if (options.stress && (options.tpm || options.hostile))
    throw new HalError("input", "--stress loads the storage in a boot of its own", { remedy: "run hal test --stress alone" });
  if (options.boot !== undefined && !options.tpm) throw new HalError("input", "--boot needs --tpm", { remedy: "add --tpm" });
  if (options.save !== undefined && !options.tpm) throw new HalError("input", "--save needs --tpm", { remedy: "add --tpm" });
  const image = await readImage(dir);
  const accel = await chooseAccel(options.accel, imageFile(dir, files.kernel));
  const { manifest, promises } = image;
  const tee = platforms[manifest.platform].confidential ? `, without ${manifest.platform} hardware` : "";
  const debug = promises.debug ? "; DEBUG image: console and login enabled" : "";
  for (const line of acceptedLines(manifest.accepted ?? [])) note(line);
  const boot = { title: `Boot ${promises.name} in QEMU (${accel}${tee}${debug})`, image, accel };
  await (options.tpm ? testTpm : options.hostile ? testHostile : testPromises)(boot, options);
}

interface Boot {
  /** For people: the image and how it boots. */
  readonly title: string;
  readonly image: ImageUnderTest;
  readonly accel: "kvm" | "tcg";
}

/** The fields that the JSON of `hal test` and `hal test --tpm` have in common. */
function summary({ image, accel }: Boot, checks: readonly Check[]): object {
  return { profile: image.promises.name, platform: ordinary.name, accel, ok: checks.every(({ ok }) => ok), checks };
}

/** Shows progress during a boot, with the time that the last one took. */
function withProgress<T>(title: string, boot: () => Promise<T>): Promise<T> {
  const plan = Plan.begin<void>().add({
    title,
    run: (_, report) => {
      report("the guest is running");
      return boot();
    },
  });
  return runPlan(plan, undefined, join(cacheRoot(), "boot-times.json"));
}

async function testPromises(boot: Boot, { json, stress, signal }: Options): Promise<void> {
  const { title, image, accel } = boot;
  const { checks, figures, seconds, console } = await withProgress(title, () => prove(image, { accel, stress, signal }));
  if (json) printJson({ ...summary(boot, checks), figures, seconds });
  else print([checkTable(checks), figureLine(figures), countLine(checks)].filter((text) => text !== "").join("\n"));
  const details = console === undefined ? [] : ["the boot did not complete; console of a second boot:", ...console.split("\n").slice(-12)];
  failIfAny(checks, image, details);
}

async function testTpm(boot: Boot, { json, save, boot: how, signal }: Options): Promise<void> {
  const { title, image, accel } = boot;
  const chosen = { ...(save === undefined ? {} : { save }), ...(how === undefined ? {} : { boot: how }) };
  const { checks, verify } = await withProgress(`${title} with a TPM`, () => proveTpm(image, { accel, signal, ...chosen }));
  if (json) printJson({ ...summary(boot, checks), ...(verify === undefined ? {} : { verify }) });
  else print(`${checkTable(checks)}\n${countLine(checks)}`);
  if (verify !== undefined) note(`To verify the saved event log: ${formatCommand({ tool: "hal", args: verify })}`);
  failIfAny(checks, image);
}

async function testHostile({ title, image, accel }: Boot, options: Options): Promise<void> {
  const cases = chooseCases(image, options.case);
  if (cases.length === 0)
    throw new HalError("input", `layout ${image.promises.layout.name} has no disk, so no hostile case applies`, {
      at: { file: image.dir },
    });
  note(`${title}: ${cases.length} damaged copies, ${PARALLEL_BOOTS} at a time`);
  const began = performance.now();
  const results = await runCases(image, cases, {
    accel,
    jobs: PARALLEL_BOOTS,
    signal: options.signal,
    done: (result) => options.json || note(resultLine(result)),
  });
  const failed = results.filter(({ ok }) => !ok);
  if (options.json) printJson({ profile: image.promises.name, platform: ordinary.name, accel, ok: failed.length === 0, cases: results });
  else {
    for (const { name, what, checks } of failed) print(`\n${name}: ${what}\n${checkTable(checks)}`);
    const passed = results.length - failed.length;
    print(`${passed} of ${results.length} cases passed in ${duration((performance.now() - began) / 1000)}`);
  }
  if (failed.length > 0)
    throw new HalError("check", `${failed.length} of ${results.length} cases failed: ${failed.map(({ name }) => name).join(", ")}`, {
      at: { file: image.dir },
    });
}

function failIfAny(checks: readonly Check[], image: ImageUnderTest, details: readonly string[] = []): void {
  const failed = checks.filter(({ ok }) => !ok).length;
  if (failed > 0) throw new HalError("check", `${failed} of ${checks.length} checks failed`, { at: { file: image.dir }, details });
}

/** One row for each check: result, name, what was found, and for a failed check what was expected. */
function checkTable(checks: readonly Check[]): string {
  return formatTable(
    checks.map(({ name, ok, expected, found }) => [ok ? "ok" : "FAIL", name, ok ? found : `${found}; expected: ${expected}`]),
  );
}

function countLine(checks: readonly Check[]): string {
  return `${checks.filter(({ ok }) => ok).length} of ${checks.length} checks passed`;
}

/** Boot times and memory in one line, without those that the boot did not reach. */
function figureLine({ initSeconds, readySeconds, memoryUsed, memoryTotal }: Figures): string {
  const parts = [
    initSeconds === undefined ? "" : `early boot ${initSeconds.toFixed(1)} s`,
    readySeconds === undefined ? "" : `startup complete after ${readySeconds.toFixed(1)} s`,
    memoryUsed === undefined || memoryTotal === undefined ? "" : `memory used ${formatSize(memoryUsed)} of ${formatSize(memoryTotal)}`,
  ];
  return parts.filter((text) => text !== "").join(", ");
}

/** The expected outcome of a hostile case. */
const outcomeText: Readonly<Record<CaseResult["expected"], string>> = {
  off: "powers off",
  works: "boots normally",
  stops: "I/O error or stop",
  detected: "I/O error",
  reached: "code of the host",
};

function resultLine({ ok, name, expected, failureLine, seconds }: CaseResult): string {
  return `${ok ? "ok  " : "FAIL"}  ${name.padEnd(22)} ${outcomeText[expected].padEnd(18)} ${duration(seconds).padStart(7)}  ${failureLine}`;
}
