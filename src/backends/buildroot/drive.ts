import { HalError } from "../../errors.js";
import { summarizeFailure } from "../../kconfig/failure.js";
import { ProgressReader } from "../../kconfig/progress.js";
import { note } from "../../output.js";
import { type Command, runCommand } from "../../tools.js";

export interface DriveOptions {
  readonly log: string;
  readonly report: (text: string) => void;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
  /** Packages that this run goes through, when known. */
  readonly packages?: readonly string[];
}

/** How many of make's lines are kept to explain a failure. */
const KEEP_LINES = 10_000;

/**
 * Runs one `make` and shows which package it is at.
 * @throws HalError "command" with package, step, the lines that matter and what to try
 */
export async function drive(command: Command, { log, report, verbose, signal, packages }: DriveOptions): Promise<void> {
  const progress = new ProgressReader(packages);
  const lines: string[] = [];
  const onLine = (line: string): void => {
    lines.push(line);
    if (lines.length > 2 * KEEP_LINES) lines.splice(0, KEEP_LINES);
    if (verbose) note(line);
    const state = progress.read(line);
    if (state?.current === undefined) return;
    const { package: name, version, step } = state.current;
    const count = state.total === undefined ? `${state.started}` : `${state.started} of ${state.total}`;
    report(name === undefined ? step : `${name} ${version ?? ""} (${count}): ${step.toLowerCase()}`);
  };
  const { exitCode } = await runCommand(command, { log, onLine, signal, group: true, allowFailure: true });
  if (exitCode === 0) return;
  const failure = summarizeFailure(lines);
  const who =
    failure.package === undefined
      ? "Buildroot's make"
      : `package ${failure.package}${failure.version === undefined ? "" : ` ${failure.version}`}`;
  throw new HalError("command", `${who} failed${failure.step === undefined ? "" : ` while ${failure.step.toLowerCase()}`}`, {
    details: failure.errors.length > 0 ? failure.errors : failure.lastLines,
    remedy: `${failure.advice}\n  the whole output is in ${log}`,
  });
}
