import { existsSync } from "node:fs";
import { join } from "node:path";
import { HalError } from "../../lib/errors.js";
import type { BindMount } from "../../lib/namespace.js";
import type { Report } from "../../lib/plan.js";
import { note } from "../../lib/terminal.js";
import { type Command, runCommand } from "../../lib/tools.js";
import { type BoundCommand, toRealPaths } from "./dirs.js";
import { eventText, parseBuildLine } from "./events.js";
import { type BuildFailure, failedDirectory, summarizeFailure } from "./failure.js";
import type { Tracker } from "./tracker.js";

export interface MakeOptions {
  readonly log: string;
  readonly report: Report;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
  /** Counts packages and estimates the time left. */
  readonly tracker?: Tracker | undefined;
}

/** Lines of make's output that are kept to explain a failure. */
const KEEP_LINES = 10_000;
/** Make ends right after a failure unless other packages are being built. Only then is the failure reported twice. */
const FAILURE_NOTE_MS = 1000;
/** A package that finishes prints nothing, so the tracker looks at the stamps this often. */
const STAMPS_MS = 2000;

/**
 * Runs one `make` and reports the packages that it builds. When a package fails while make still builds others, the
 * failure is printed at once; it is also the error when make ends.
 * @throws HalError "command" with package, step, the relevant lines and what to try
 */
export async function runMake(command: BoundCommand, { log, report, verbose, signal, tracker }: MakeOptions): Promise<void> {
  const { mounts, ...make } = command;
  const lines: string[] = [];
  let failed: BuildFailure | undefined;
  let noting: NodeJS.Timeout | undefined;
  const fail = (failure: BuildFailure): void => {
    failed = failure;
    noting = setTimeout(() => {
      note([`${whatFailed(failure)}:`, ...linesOf(failure).map((line) => `  ${line}`)].join("\n"));
      note("make first finishes the packages that it has started; Ctrl-C stops it, and the next build continues from there");
    }, FAILURE_NOTE_MS);
  };
  let shown = "";
  const show = (now: Tracker): void => {
    const { text, left } = now.state();
    shown = text;
    report(text, left);
  };
  const poll = setInterval(() => {
    if (tracker !== undefined && shown !== "" && tracker.state().text !== shown) show(tracker);
  }, STAMPS_MS);
  const onLine = (line: string): void => {
    lines.push(line);
    if (lines.length > 2 * KEEP_LINES) lines.splice(0, KEEP_LINES);
    if (verbose) note(toRealPaths(line, mounts));
    if (failed === undefined && failedDirectory(line) !== undefined) fail(withRealPaths(summarizeFailure(lines), mounts));
    const event = parseBuildLine(line);
    if (event === undefined) return;
    tracker?.note(event);
    if (tracker === undefined) report(eventText(event));
    else show(tracker);
  };
  const { exitCode } = await runCommand(inOneStream(make), { log, onLine, signal, group: true, allowFailure: true }).finally(() => {
    clearTimeout(noting);
    clearInterval(poll);
  });
  if (exitCode === 0) return;
  const failure = failed ?? withRealPaths(summarizeFailure(lines), mounts);
  const { directory } = failure;
  const logs = directory === undefined ? [] : ["", "config.log", "CMakeFiles/CMakeError.log"].map((name) => join(directory, name));
  throw new HalError("command", whatFailed(failure), {
    details: linesOf(failure),
    remedy: [failure.advice, `the full output is in ${log}`, ...logs.filter(existsSync).map((path) => `see also ${path}`)].join("; "),
  });
}

/** Joins stderr with stdout. With two pipes, an error could be separated from the lines around it. */
function inOneStream({ tool, args, ...rest }: Command): Command {
  return { ...rest, tool: "sh", args: ["-c", 'exec "$0" "$@" 2>&1', tool, ...args] };
}

/** The failure with paths that exist outside make's own root. */
function withRealPaths(failure: BuildFailure, mounts: readonly BindMount[]): BuildFailure {
  const { directory, errors, lastLines } = failure;
  const real = (text: string): string => toRealPaths(text, mounts);
  return {
    ...failure,
    directory: directory === undefined ? undefined : real(directory),
    errors: errors.map(real),
    lastLines: lastLines.map(real),
  };
}

function whatFailed({ package: name, version, step }: BuildFailure): string {
  const who = name === undefined ? "Buildroot's make" : `package ${name}${version === undefined ? "" : ` ${version}`}`;
  return `${who} failed${step === undefined ? "" : ` while ${step.toLowerCase()}`}`;
}

function linesOf({ errors, lastLines }: BuildFailure): readonly string[] {
  return errors.length > 0 ? errors : lastLines;
}
