import { existsSync } from "node:fs";
import { join } from "node:path";
import { HalError } from "../../lib/errors.js";
import type { BindMount } from "../../lib/namespace.js";
import { note } from "../../lib/terminal.js";
import { type Command, runCommand } from "../../lib/tools.js";
import { type BoundCommand, outside } from "./dirs.js";
import { eventText, parseBuildLine } from "./events.js";
import { type BuildFailure, failedDirectory, summarizeFailure } from "./failure.js";
import type { Tracker } from "./tracker.js";

export interface DriveOptions {
  readonly log: string;
  readonly report: (text: string, left?: number) => void;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
  /** Counts packages and tells the time left. */
  readonly tracker?: Tracker | undefined;
}

/** How many of make's lines are kept to explain a failure. */
const KEEP_LINES = 10_000;
/** Make ends as soon as a package fails, unless others are at work: only then is the failure told twice. */
const OTHERS_AT_WORK_MS = 1000;
/** A package that is done says nothing: what is still at work is looked up now and then. */
const LOOK_MS = 2000;

/**
 * Runs one `make` and shows which package it is at. A failed package is told at once, and again as the error
 * when make has ended what else it had begun.
 * @throws HalError "command" with package, step, the lines that matter and what to try
 */
export async function drive(command: BoundCommand, { log, report, verbose, signal, tracker }: DriveOptions): Promise<void> {
  const { mounts, ...make } = command;
  const lines: string[] = [];
  let failed: BuildFailure | undefined;
  let told: NodeJS.Timeout | undefined;
  const fail = (failure: BuildFailure): void => {
    failed = failure;
    told = setTimeout(() => {
      note([`${whatFailed(failure)}:`, ...linesOf(failure).map((line) => `  ${line}`)].join("\n"));
      note("make still ends what else it has begun; Ctrl-C stops that too, and the next build goes on from there");
    }, OTHERS_AT_WORK_MS);
  };
  let shown = "";
  const show = (now: Tracker): void => {
    const { text, left } = now.state();
    shown = text;
    report(text, left);
  };
  const look = setInterval(() => {
    if (tracker !== undefined && shown !== "" && tracker.state().text !== shown) show(tracker);
  }, LOOK_MS);
  const onLine = (line: string): void => {
    lines.push(line);
    if (lines.length > 2 * KEEP_LINES) lines.splice(0, KEEP_LINES);
    if (verbose) note(outside(line, mounts));
    if (failed === undefined && failedDirectory(line) !== undefined) fail(failureOutside(summarizeFailure(lines), mounts));
    const event = parseBuildLine(line);
    if (event === undefined) return;
    tracker?.note(event);
    if (tracker === undefined) report(eventText(event));
    else show(tracker);
  };
  const { exitCode } = await runCommand(inOneStream(make), { log, onLine, signal, group: true, allowFailure: true }).finally(() => {
    clearTimeout(told);
    clearInterval(look);
  });
  if (exitCode === 0) return;
  const failure = failed ?? failureOutside(summarizeFailure(lines), mounts);
  const its =
    failure.directory === undefined
      ? []
      : ["", "config.log", "CMakeFiles/CMakeError.log"].map((name) => join(failure.directory ?? "", name));
  throw new HalError("command", whatFailed(failure), {
    details: linesOf(failure),
    remedy: [failure.advice, `the whole output is in ${log}`, ...its.filter(existsSync).map((path) => `see also ${path}`)].join("\n  "),
  });
}

/** Errors among the lines that they belong to: from two pipes they would come in any order. */
function inOneStream({ tool, args, ...rest }: Command): Command {
  return { ...rest, tool: "sh", args: ["-c", 'exec "$0" "$@" 2>&1', tool, ...args] };
}

/** With paths that a person can go to. */
function failureOutside(failure: BuildFailure, mounts: readonly BindMount[]): BuildFailure {
  const { directory, errors, lastLines } = failure;
  const toOutside = (text: string): string => outside(text, mounts);
  return {
    ...failure,
    directory: directory === undefined ? undefined : toOutside(directory),
    errors: errors.map(toOutside),
    lastLines: lastLines.map(toOutside),
  };
}

function whatFailed({ package: name, version, step }: BuildFailure): string {
  const who = name === undefined ? "Buildroot's make" : `package ${name}${version === undefined ? "" : ` ${version}`}`;
  return `${who} failed${step === undefined ? "" : ` while ${step.toLowerCase()}`}`;
}

function linesOf({ errors, lastLines }: BuildFailure): readonly string[] {
  return errors.length > 0 ? errors : lastLines;
}
