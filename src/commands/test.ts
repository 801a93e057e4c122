import { join } from "node:path";
import { files } from "../bundle/files.js";
import { chooseAccel } from "../launch/run.js";
import { HalError } from "../lib/errors.js";
import { cacheRoot } from "../lib/paths.js";
import { Plan } from "../lib/plan.js";
import { duration, runPlan } from "../lib/progress.js";
import { note, print, printJson } from "../lib/terminal.js";
import { formatCommand } from "../lib/tools.js";
import { ordinary, platforms } from "../model/platforms/index.js";
import { readSubject, type Subject } from "../prove/image.js";
import { PARALLEL_BOOTS, prove } from "../prove/prove.js";
import { proveTpm } from "../prove/prove-tpm.js";
import { chooseCases, sufferAll, type Verdict } from "../prove/run-cases.js";
import { checkTable, figureLine } from "../prove/table.js";

interface Options {
  readonly hostile: boolean;
  readonly case: readonly string[];
  readonly tpm: boolean;
  readonly boot?: "uki-kernel";
  readonly save?: string;
  readonly accel: "auto" | "kvm" | "tcg";
  readonly json?: boolean;
  readonly signal: AbortSignal;
}

/** Boots the artifacts and holds them to their promises; exit 5 when one is broken. */
export async function test(dir: string, options: Options): Promise<void> {
  if (options.case.length > 0 && !options.hostile)
    throw new HalError("input", "--case names a case of --hostile", { remedy: "add --hostile" });
  if (options.tpm && options.hostile)
    throw new HalError("input", "--tpm and --hostile are two tests", { remedy: "run one after the other" });
  if (options.boot !== undefined && !options.tpm) throw new HalError("input", "--boot is for --tpm", { remedy: "add --tpm" });
  if (options.save !== undefined && !options.tpm) throw new HalError("input", "--save keeps what --tpm reads", { remedy: "add --tpm" });
  const subject = await readSubject(dir);
  const accel = await chooseAccel(options.accel, join(dir, files.kernel));
  const { manifest, promises } = subject;
  const without = !platforms[manifest.platform].confidential ? "" : `, without the TEE of platform ${manifest.platform}`;
  const doors = promises.debug ? ": a DEBUG image, whose doors are open" : "";
  const boot = { title: `Boot ${promises.name} in QEMU (${accel})${without}${doors}`, subject, accel };
  await (options.tpm ? tpm : options.hostile ? hostile : plain)(boot, options);
}

interface Boot {
  /** What a person is told of it. */
  readonly title: string;
  readonly subject: Subject;
  readonly accel: "kvm" | "tcg";
}

/** What the JSON of both proofs has. */
function verdict({ subject, accel }: Boot, checks: readonly { readonly ok: boolean }[]): object {
  return { profile: subject.promises.name, platform: ordinary.name, accel, ok: checks.every(({ ok }) => ok), checks };
}

/** Shows how long a boot takes, and how long the last one took. */
function watched<T>(title: string, boot: () => Promise<T>): Promise<T> {
  const plan = Plan.begin<void>().add({
    title,
    run: (_, report) => {
      report("booting and reading the probe's report");
      return boot();
    },
  });
  return runPlan(plan, undefined, join(cacheRoot(), "boot-times.json"));
}

async function tpm(boot: Boot, { json, save, boot: how, signal }: Options): Promise<void> {
  const { title, subject, accel } = boot;
  const chosen = { ...(save === undefined ? {} : { save }), ...(how === undefined ? {} : { boot: how }) };
  const proof = () => proveTpm(subject, { accel, signal, ...chosen });
  const { checks, verify } = await watched(`${title} before a TPM`, proof);
  const different = checks.filter(({ ok }) => !ok);
  if (json) printJson({ ...verdict(boot, checks), ...(verify === undefined ? {} : { verify }) });
  else print(checkTable(checks));
  if (verify !== undefined) note(`To judge what was saved: ${formatCommand({ tool: "hal", args: verify })}`);
  if (different.length > 0)
    throw new HalError("check", `${different.length} of ${checks.length} registers are not what was predicted`, {
      at: { file: subject.dir },
    });
}

async function plain(boot: Boot, { json, signal }: Options): Promise<void> {
  const { title, subject, accel } = boot;
  const { checks, figures, record, console } = await watched(title, () => prove(subject, { accel, signal }));
  const broken = checks.filter(({ ok }) => !ok);
  if (json) printJson({ ...verdict(boot, checks), figures, seconds: record.seconds });
  else print(`${checkTable(checks)}\n${figureLine(figures)}`);
  if (broken.length === 0) return;
  throw new HalError("check", `${broken.length} of ${checks.length} promises are broken`, {
    at: { file: subject.dir },
    details: console === undefined ? [] : ["the boot broke off; the console of another one:", ...console.split("\n").slice(-12)],
  });
}

async function hostile({ title, subject, accel }: Boot, options: Options): Promise<void> {
  const chosen = chooseCases(subject, options.case);
  if (chosen.length === 0)
    throw new HalError("input", `layout ${subject.promises.layout.name} has no disk that a host could damage`, {
      at: { file: subject.dir },
    });
  note(`${title}: ${chosen.length} damaged copies, ${PARALLEL_BOOTS} at a time`);
  const began = performance.now();
  const verdicts = await sufferAll(subject, chosen, {
    accel,
    jobs: PARALLEL_BOOTS,
    signal: options.signal,
    done: (verdict) => options.json || note(verdictLine(verdict)),
  });
  const wrong = verdicts.filter(({ ok }) => !ok);
  if (options.json) printJson({ profile: subject.promises.name, platform: ordinary.name, accel, ok: wrong.length === 0, cases: verdicts });
  else {
    for (const verdict of wrong) print(`\n${verdict.name}: ${verdict.what}\n${checkTable(verdict.checks)}`);
    print(
      `${verdicts.length - wrong.length} of ${verdicts.length} cases end as they must, in ${duration((performance.now() - began) / 1000)}`,
    );
  }
  if (wrong.length > 0)
    throw new HalError(
      "check",
      `${wrong.length} of ${verdicts.length} damaged copies do what they must not: ${wrong.map(({ name }) => name).join(", ")}`,
      { at: { file: subject.dir } },
    );
}

const endings: Readonly<Record<Verdict["expected"], string>> = {
  off: "powers off",
  works: "works, nothing leaks",
  stops: "stops or fails to read",
  detected: "fails to read",
};

function verdictLine({ ok, name, expected, said, seconds }: Verdict): string {
  return `${ok ? "ok  " : "FAIL"}  ${name.padEnd(22)} ${endings[expected].padEnd(22)} ${duration(seconds).padStart(7)}  ${said}`;
}
