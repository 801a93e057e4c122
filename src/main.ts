#!/usr/bin/env node
import { CommanderError } from "commander";
import { program } from "./cli.js";
import { exitCodes, formatError, HalError, printable } from "./lib/errors.js";

/** Runs the command line. No other code decides the exit code (DESIGN 5). */
async function main(): Promise<number> {
  const interrupt = new AbortController();
  const interruption = (): AbortSignal => {
    // A second signal ends hal. The listeners stay: without a listener, listr2's cursor library ends the process at the first signal.
    const end = (): void => (interrupt.signal.aborted ? process.exit(exitCodes.interrupted) : interrupt.abort());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
    return interrupt.signal;
  };
  for (const stream of [process.stdout, process.stderr]) stream.on("error", (error: NodeJS.ErrnoException) => unwritable(stream, error));
  try {
    await program(interruption).parseAsync(process.argv);
    return 0;
  } catch (error) {
    if (interrupt.signal.aborted) {
      process.stderr.write("hal: interrupted\n");
      return exitCodes.interrupted;
    }
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.input;
    if (error instanceof HalError) {
      process.stderr.write(`${formatError(error)}\n`);
      return exitCodes[error.kind];
    }
    const system = systemError(error);
    if (system !== undefined) {
      process.stderr.write(`${formatError(system)}\n`);
      return exitCodes[system.kind];
    }
    process.stderr.write(
      `hal: internal error, please report this bug\n${printable(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`,
    );
    return exitCodes.bug;
  }
}

/** A reader that stops early, as in `hal verify out/P | head -1`, is not an error: the command runs to its own exit code. */
function unwritable(stream: NodeJS.WriteStream, error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  if (stream === process.stdout) process.stderr.write(`hal: cannot write the output: ${error.code}\n`);
  process.exit(exitCodes.command);
}

/** An error of the operating system as a HalError, because the user can act on it; undefined for any other error. */
function systemError(error: unknown): HalError | undefined {
  const { code, path, syscall, message } = error as NodeJS.ErrnoException;
  if (code === "ERR_FS_FILE_TOO_LARGE") return new HalError("input", "a file is larger than 2 GiB, and hal reads it at once");
  if (code === undefined || syscall === undefined) return undefined;
  const at = path === undefined ? {} : { at: { file: path } };
  if (code === "ENOSPC" || code === "EDQUOT")
    return new HalError("command", "the disk is full", {
      ...at,
      remedy: "free some space and build again; the previous image is unchanged",
    });
  const reason = reasons[code] ?? /^[A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? code;
  return new HalError(code === "EIO" ? "command" : "input", reason, at);
}

/** Plain words for common errno codes. */
const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "read-only filesystem",
  ENOENT: "does not exist",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
};

process.exitCode = await main();
