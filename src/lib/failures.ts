import { statfs } from "node:fs/promises";
import { HalError } from "./errors.js";
import { formatSize } from "./size.js";
import { type Command, type RunOptions, type RunResult, runCommand } from "./tools.js";

const noSpace = /No space left on device|Disk quota exceeded|don't have enough free space|write error.*ENOSPC/i;
const telling = /^E: |^W: Failed|^Err:|error|fail|cannot|No such|No space|unable/i;

/** The lines of a command's output that say what went wrong: at most ten, the last ones when none stands out. */
export function tellingLines(output: string): readonly string[] {
  const lines = output.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  const found = [...new Set(lines.filter((line) => telling.test(line)))];
  return (found.length > 0 ? found : lines).slice(-10);
}

interface ExplainOptions extends RunOptions {
  /** What the user can do when it fails; by default, where the log is. */
  readonly remedy?: string;
}

function remedyOf({ remedy, log }: ExplainOptions): { remedy?: string } {
  const text = remedy ?? (log === undefined ? undefined : `the whole output is in ${log}`);
  return text === undefined ? {} : { remedy: text };
}

/**
 * Refuses to begin what needs more room than there is: apt 2.6 waits for ever when a disk fills while it downloads.
 * @param bytes what is about to be written
 */
export async function ensureRoom(dir: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize < bytes) throw fullDisk(what, [`${dir}: ${formatSize(bytes)} needed, ${formatSize(bavail * bsize)} free`]);
}

/**
 * Runs a command; its failure is reported as `what` with the lines that matter.
 * @throws HalError "command"; a full disk has a message of its own
 */
export async function runOrExplain(command: Command, what: string, options: ExplainOptions = {}): Promise<RunResult> {
  const result = await runCommand(command, { ...options, allowFailure: true });
  if (result.exitCode === 0) return result;
  const output = `${result.stdout}\n${result.stderr}`;
  if (noSpace.test(output))
    throw fullDisk(
      what,
      tellingLines(output)
        .filter((line) => noSpace.test(line))
        .slice(0, 2),
    );
  throw new HalError("command", `${what} failed: exit code ${result.exitCode}`, {
    details: tellingLines(output),
    ...remedyOf(options),
  });
}

export function fullDisk(what: string, details: readonly string[]): HalError {
  return new HalError("command", `the disk is full: ${what}`, {
    details,
    remedy: "free some space, or choose other places with -o and HAL_CACHE, and build again; the previous output is untouched",
  });
}
