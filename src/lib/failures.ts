import { statfs } from "node:fs/promises";
import { HalError } from "./errors.js";
import { formatSize } from "./size.js";
import { type Command, type RunOptions, type RunResult, runCommand } from "./tools.js";

const noSpace = /No space left on device|Disk quota exceeded|don't have enough free space|write error.*ENOSPC/i;
const errorWords = /^E: |^W: Failed|^Err:|error|fail|cannot|No such|No space|unable/i;

/** The lines of a command's output that report an error, at most ten. Without such a line, the last ten lines. */
export function errorLines(output: string): readonly string[] {
  const lines = output.split(/[\r\n]+/).filter((line) => line.trim() !== "");
  const found = [...new Set(lines.filter((line) => errorWords.test(line)))];
  return (found.length > 0 ? found : lines).slice(-10);
}

interface ExplainOptions extends RunOptions {
  /** What the user can do when the command fails; the default names the log. */
  readonly remedy?: string;
}

function remedyOf({ remedy, log }: ExplainOptions): { remedy?: string } {
  const text = remedy ?? (log === undefined ? undefined : `the full output is in ${log}`);
  return text === undefined ? {} : { remedy: text };
}

/**
 * Fails before a write that does not fit on the disk. apt 2.6, for example, hangs when the disk fills during a download.
 * @param bytes number of bytes to be written
 * @param what the action, for the error
 * @throws HalError "command"
 */
export async function ensureSpace(dir: string, bytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(dir);
  if (bavail * bsize < bytes) throw fullDisk(what, [`${dir}: ${formatSize(bytes)} needed, ${formatSize(bavail * bsize)} free`]);
}

/**
 * Runs a command and reports a failure with the lines of its output that name the error.
 * @param what the action, for the error
 * @throws HalError "command"; for a full disk, `fullDisk`
 */
export async function runOrExplain(command: Command, what: string, options: ExplainOptions = {}): Promise<RunResult> {
  const result = await runCommand(command, { ...options, allowFailure: true });
  if (result.exitCode === 0) return result;
  const output = `${result.stdout}\n${result.stderr}`;
  if (noSpace.test(output))
    throw fullDisk(
      what,
      errorLines(output)
        .filter((line) => noSpace.test(line))
        .slice(0, 2),
    );
  throw new HalError("command", `${what} failed: exit code ${result.exitCode}`, {
    details: errorLines(output),
    ...remedyOf(options),
  });
}

/** The error for a full disk. */
export function fullDisk(what: string, details: readonly string[]): HalError {
  return new HalError("command", `the disk is full: ${what}`, {
    details,
    remedy: "free some space, or choose another disk with -o and HAL_CACHE; then build again. The previous image is unchanged",
  });
}
