import { readFile } from "node:fs/promises";
import { addParameter } from "../codecs/cmdline.js";
import { HalError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { findTool, missingTool } from "../lib/tools.js";
import { type BootRecord, boot } from "./boot.js";
import { bootConfig, cmdlineWithProbe, copyDrives, initrdWithProbe, type ProveOptions, withScratchDir } from "./boot-config.js";
import type { HostileCase, Outcome } from "./cases/case.js";
import { casesFor } from "./cases/index.js";
import { CONSOLE_CHECK } from "./checks/access.js";
import { type Check, check, type Evidence } from "./checks/check.js";
import { evaluate } from "./checks/index.js";
import { failureLines, firstFailureLine, SHELL_ANSWER } from "./console.js";
import { DamagedDisk } from "./damage.js";
import { lastValue } from "./facts.js";
import type { ImageUnderTest } from "./image.js";
import { endingText } from "./qmp.js";
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
      initrd: damage.initrd === false ? undefined : await initrdWithProbe(image, damage.whileRunning?.file),
      extra: damage.qemuArgs ?? [],
      typeAtConsole: true,
      ...(damage.whileRunning === undefined ? {} : { tamper: damage.whileRunning.change }),
    });
    const disk = hostile.expected === "works" ? await scanDisk(path) : undefined;
    const checks = [
      ...outcomeChecks[hostile.expected](record, image, disk),
      ...(damage.crashRecords === undefined ? [] : [noCrashRecord(await readFile(damage.crashRecords))]),
    ];
    const { name, what, expected } = hostile;
    const ok = checks.every((entry) => entry.ok);
    return { name, what, expected, ok, checks, failureLine: firstFailureLine(record.console), seconds: record.seconds };
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

/** What must hold after each outcome. */
const outcomeChecks: Readonly<Record<Outcome, (record: BootRecord, image: ImageUnderTest, disk: Evidence["disk"]) => Check[]>> = {
  off: (record) => [guestStops(record), initNotStarted(record), noShellAnswer(record), oneFailureLine(record)],
  works: (record, image, disk) => {
    const { facts, console, ending } = record;
    // This boot has a console, so it has output. `hal test` without --hostile checks that an image writes nothing.
    const checks = evaluate(image.promises, { facts, console, ending, disk }).filter(({ name }) => name !== CONSOLE_CHECK);
    return [...checks, noShellAnswer(record)];
  },
  detected: (record) => [guestStops(record), noShellAnswer(record), changedDataRejected(record, ["error"])],
  stops: (record) => [guestStops(record), noShellAnswer(record), changedDataRejected(record, ["error", "ready"])],
};

/** The guest powered off or the kernel panicked. With `panic=-1` a panic is a reset, which a TEE guest does not survive. */
function guestStops({ ending, seconds }: BootRecord): Check {
  const found = ending === "killed" ? `${endingText.killed}, after ${Math.round(seconds)} s` : endingText[ending];
  return check("guest stops by itself", ending !== "killed", "power-off or panic", found);
}

function noShellAnswer({ console }: BootRecord): Check {
  const answered = console.includes(SHELL_ANSWER);
  return check("no shell on the console", !answered, "none", answered ? "a shell answered" : "none");
}

function initNotStarted({ facts }: BootRecord): Check {
  const init = lastValue(facts, "init");
  const stage = lastValue(facts, "stage") === undefined ? "stopped in the kernel" : "stopped in early boot";
  return check("init of the image not started", init === undefined, "stopped before", init === undefined ? stage : `${init} started`);
}

function oneFailureLine({ console }: BootRecord): Check {
  const lines = failureLines(console);
  return check("one failure line", lines.length === 1, "one line 'hal: …', or a panic line of the kernel", lines.join(" / ") || "none");
}

/**
 * The last value of `tamper` in the probe's report after the host has changed the disk.
 * @param accepted the values that pass; `ready` is the last value when the guest stops while it reads the file
 */
function changedDataRejected({ facts, ending }: BootRecord, accepted: readonly string[]): Check {
  const value = lastValue(facts, "tamper");
  const texts: Readonly<Record<string, string>> = {
    error: "I/O error",
    ready: endingText[ending],
    different: "other data was read",
    same: "the data from before the change was read",
  };
  const found = value === undefined ? "the probe did not get to the change" : (texts[value] ?? value);
  const expected = accepted.includes("ready") ? "I/O error, or the guest stops" : "I/O error";
  return check("changed data is not read", value !== undefined && accepted.includes(value), expected, found);
}

/** A record starts with the signature of the Common Platform Error Record (UEFI 2.10, appendix N.2.1). QEMU's store has another one. */
function noCrashRecord(store: Buffer): Check {
  const offset = store.indexOf("CPER");
  return check("no crash record stored", offset < 0, "none", offset < 0 ? "none" : `a record at 0x${offset.toString(16)}`);
}
