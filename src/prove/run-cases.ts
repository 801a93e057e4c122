import { readFile } from "node:fs/promises";
import { HalError } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { findTool, missingTool } from "../lib/tools.js";
import { type BootRecord, boot, SHELL_ANSWER } from "./boot.js";
import { casesFor, type HostileCase, type Outcome } from "./cases/index.js";
import { type Check, type Evidence, judge, spoken } from "./checks/index.js";
import { DamagedDisk } from "./damage.js";
import { last } from "./facts.js";
import type { Subject } from "./image.js";
import { addParameter, copyDrives, inScratch, type ProveOptions, plan, probedCmdline, probedInitrd } from "./prove.js";
import { scanDisk } from "./scan-disk.js";

/** How one damaged copy fared. */
export interface Verdict {
  readonly name: string;
  readonly what: string;
  readonly expected: Outcome;
  readonly ok: boolean;
  readonly checks: readonly Check[];
  /** What the console said last: the failure line, or the kernel's. */
  readonly said: string;
  readonly seconds: number;
}

/**
 * The cases to run.
 * @param names only these; all that the layout can suffer when empty
 * @throws HalError "input" for a name that is no case of this image
 */
export function chooseCases(subject: Subject, names: readonly string[]): HostileCase[] {
  const known = casesFor(subject);
  for (const name of names) {
    if (known.some((entry) => entry.name === name)) continue;
    const close = nearest(
      name,
      known.map((entry) => entry.name),
    );
    throw new HalError("input", `no hostile case '${name}' for layout ${subject.promises.layout.name}`, {
      remedy: close === undefined ? `the cases are ${known.map((entry) => entry.name).join(", ")}` : `did you mean ${close}?`,
    });
  }
  return names.length === 0 ? known : known.filter((entry) => names.includes(entry.name));
}

/** Damages a copy, boots it with somebody at the console who hopes for a shell, and judges what happened. */
export async function suffer(subject: Subject, hostile: HostileCase, options: ProveOptions): Promise<Verdict> {
  return inScratch(subject.dir, async (scratch) => {
    const drives = await copyDrives(subject, scratch);
    const [path] = Object.values(drives);
    if (path === undefined) throw new HalError("input", `image '${subject.promises.name}' has no disk to damage`);
    const change = await hostile.damage(subject, new DamagedDisk(path), scratch);
    const base = plan(subject, options);
    // The image is silent; the failure line is for whoever looks at the kernel's console, so this boot has one.
    const cmdline = addParameter(probedCmdline(change.cmdline ?? subject.launch.cmdline, options), "console=ttyS0");
    const record = await boot({
      ...base,
      cmdline,
      drives: change.disk === false ? {} : drives,
      initrd: change.initrd === false ? undefined : await probedInitrd(subject, change.running?.file),
      extra: change.extra ?? [],
      knock: true,
      ...(change.running === undefined ? {} : { tamper: change.running.change }),
    });
    const disk = hostile.expected === "works" ? await scanDisk(path) : undefined;
    const kept = change.records === undefined ? [] : [noRecords(await readFile(change.records))];
    const checks = [...verdicts[hostile.expected](record, subject, disk), ...kept];
    const { name, what, expected } = hostile;
    return { name, what, expected, ok: checks.every(({ ok }) => ok), checks, said: lastWord(record.console), seconds: record.seconds };
  });
}

const check = (name: string, ok: boolean, expected: string, found: string): Check => ({ name, ok, expected, found });

/** The guest ended by itself: powered off, or stopped by the kernel's panic (a TEE guest cannot be reset). */
const endsItself = (record: BootRecord): Check =>
  check(
    "ends by itself",
    record.ending !== "killed",
    "powers off",
    record.ending === "killed" ? `still running after ${Math.round(record.seconds)} s` : record.ending,
  );

const noShell = ({ console }: BootRecord): Check =>
  check("no shell", !console.includes(SHELL_ANSWER), "no answer", console.includes(SHELL_ANSWER) ? "a shell answered" : "no answer");

const nothingRan = ({ facts }: BootRecord): Check => {
  const init = last(facts, "init");
  return check(
    "nothing of the image runs",
    init === undefined,
    "early boot only",
    init === undefined ? `stage ${last(facts, "stage") ?? "kernel"}` : `${init} ran`,
  );
};

const oneLine = ({ console }: BootRecord): Check => {
  const lines = failureLines(console);
  return check("one line says why", lines.length === 1, "one line 'hal: …', or the kernel's own", lines.join(" / ") || "none");
};

const verdicts: Readonly<Record<Outcome, (record: BootRecord, subject: Subject, disk: Evidence["disk"]) => Check[]>> = {
  off: (record) => [endsItself(record), nothingRan(record), noShell(record), oneLine(record)],
  works: (record, subject, disk) => {
    const checks = judge(subject.promises, { facts: record.facts, console: record.console, ending: record.ending, disk });
    // With a console for the failure line there is output; that the image is silent is `hal test`'s to prove.
    return [...checks.filter(({ name }) => name !== "console is silent"), noShell(record)];
  },
  detected: (record) => [endsItself(record), noShell(record), tampered(record, ["error"])],
  stops: (record) => [endsItself(record), noShell(record), tampered(record, ["error", "ready"])],
};

/** `ready` as the last word means that the guest ended before it could say more. */
function tampered({ facts, ending }: BootRecord, right: readonly string[]): Check {
  const outcome = last(facts, "tamper") ?? "the guest did not get there";
  const words: Readonly<Record<string, string>> = {
    error: "I/O error",
    ready: `guest ended (${ending})`,
    different: "other data was read",
    same: "nothing happened",
  };
  return check("changed data", right.includes(outcome), right.map((word) => words[word] ?? word).join(" or "), words[outcome] ?? outcome);
}

/** A record begins with the signature of the Common Platform Error Record (UEFI 2.10, appendix N.2.1); the store has one of its own. */
function noRecords(store: Buffer): Check {
  const at = store.indexOf("CPER");
  return check("no record of the crash", at < 0, "none", at < 0 ? "none" : `a record at 0x${at.toString(16)}`);
}

/** hal's failure line; where the kernel itself stopped the guest, its panic line. */
function failureLines(console: string): string[] {
  const lines = spoken(console)
    .split("\n")
    .map((line) => line.trim());
  const own = lines.filter((line) => /(?:^|\] )hal: /.test(line));
  return own.length > 0 ? own : lines.filter((line) => /Kernel panic - not syncing/.test(line)).slice(0, 1);
}

/** Without the time stamp, and without what was typed on the same line. */
function lastWord(console: string): string {
  return (failureLines(console)[0] ?? "").replace(/^.*?(hal: |Kernel panic)/, "$1");
}

/** Runs cases at most `jobs` at a time, in order; `done` is told of each as it ends. */
export async function sufferAll(
  subject: Subject,
  hostile: readonly HostileCase[],
  options: ProveOptions & { readonly jobs: number; readonly done: (verdict: Verdict) => void },
): Promise<Verdict[]> {
  for (const { tool } of hostile) if (tool !== undefined && (await findTool(tool)) === undefined) throw missingTool(tool);
  const verdicts: Verdict[] = [];
  const queue = hostile.entries();
  const worker = async (): Promise<void> => {
    for (const [index, entry] of queue) {
      const verdict = await suffer(subject, entry, options);
      verdicts[index] = verdict;
      options.done(verdict);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
  return verdicts;
}
