import { readFile } from "node:fs/promises";
import { addParameter } from "../codecs/cmdline.js";
import { HalError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { findTool, missingTool } from "../lib/tools.js";
import { boot } from "./boot.js";
import { bootConfig, cmdlineWithProbe, copyDrives, initrdWithProbe, type ProveOptions, withScratchDir } from "./boot-config.js";
import type { HostileCase, Outcome } from "./cases/case.js";
import { casesFor } from "./cases/index.js";
import { checkOutcome, noCrashRecord } from "./cases/outcome.js";
import type { Check } from "./checks/check.js";
import { firstFailureLine } from "./console.js";
import { DamagedDisk } from "./damage.js";
import type { ImageUnderTest } from "./image.js";
import { scanDisk } from "./scan-disk.js";

/** The result of one hostile case. */
export interface CaseResult {
  readonly name: string;
  readonly what: string;
  readonly expected: Outcome;
  readonly ok: boolean;
  readonly checks: readonly Check[];
  /** The line on the console that names the failure, of early boot or of the kernel; empty if there is none. */
  readonly failureLine: string;
  /** Wall-clock seconds of the boot. */
  readonly seconds: number;
}

/**
 * The cases to run.
 * @param names only these cases; all cases that apply to the layout when empty
 * @throws HalError "input" for a name that is no case, or no case of this layout
 */
export function chooseCases(image: ImageUnderTest, names: readonly string[]): HostileCase[] {
  const known = casesFor(image.promises.layout);
  for (const name of names) {
    if (known.some((entry) => entry.name === name)) continue;
    const all = known.map((entry) => entry.name);
    const close = nearest(name, all);
    throw new HalError("input", `layout ${image.promises.layout.name} has no hostile case '${name}'`, {
      remedy: close === undefined ? `the cases are ${all.join(", ")}` : `did you mean ${close}?`,
    });
  }
  return names.length === 0 ? known : known.filter((entry) => names.includes(entry.name));
}

/** Damages a copy of the image, boots it while typing on its console, and checks the outcome. */
export async function runCase(image: ImageUnderTest, hostile: HostileCase, options: ProveOptions): Promise<CaseResult> {
  return withScratchDir(image.dir, async (scratch) => {
    const drives = await copyDrives(image.dir, image.launch, scratch);
    const [path] = Object.values(drives);
    if (path === undefined) throw new HalError("input", `image '${image.promises.name}' has no disk to damage`);
    const damage = await hostile.damage(image, new DamagedDisk(path), scratch);
    // The image writes nothing to its console. The failure line needs one.
    const cmdline = addParameter(cmdlineWithProbe(damage.cmdline ?? image.launch.cmdline, options), "console=ttyS0");
    const record = await boot({
      ...bootConfig(image, options),
      cmdline,
      drives: damage.disk === false ? {} : drives,
      initrd: damage.initrd === false ? undefined : await initrdWithProbe(image, { tamper: damage.whileRunning?.file }),
      extra: damage.qemuArgs ?? [],
      typeAtConsole: true,
      ...(damage.whileRunning === undefined ? {} : { tamper: damage.whileRunning.change }),
    });
    const { expected } = hostile;
    const outcome = typeof expected === "function" ? expected(image.promises) : expected;
    const disk = outcome === "works" ? await scanDisk(path) : undefined;
    const checks = [
      ...checkOutcome(outcome, record, image.promises, disk),
      ...(damage.crashRecords === undefined ? [] : [noCrashRecord(await readFile(damage.crashRecords))]),
    ];
    const { name, what } = hostile;
    const ok = checks.every((entry) => entry.ok);
    return { name, what, expected: outcome, ok, checks, failureLine: firstFailureLine(record.console), seconds: record.seconds };
  });
}

/**
 * Runs cases in order, at most `jobs` at the same time.
 * @param options `done` is called with each result when its case has ended
 * @throws HalError "tool" before the first boot when a case needs a missing tool of the host
 */
export async function runCases(
  image: ImageUnderTest,
  cases: readonly HostileCase[],
  options: ProveOptions & { readonly jobs: number; readonly done: (result: CaseResult) => void },
): Promise<CaseResult[]> {
  for (const { tool } of cases) if (tool !== undefined && (await findTool(tool)) === undefined) throw missingTool(tool);
  const results: CaseResult[] = [];
  const queue = cases.entries();
  const worker = async (): Promise<void> => {
    for (const [index, entry] of queue) {
      const result = await runCase(image, entry, options);
      results[index] = result;
      options.done(result);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
  return results;
}
