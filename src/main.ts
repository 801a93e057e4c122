#!/usr/bin/env node
import { CommanderError } from "commander";
import { program } from "./cli.js";
import { exitCodes, formatError, HalError, printable } from "./errors.js";

/** The one place that turns an outcome into an exit code (DESIGN 5). */
async function main(): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupt.abort());
  // A reader that stops early (`hal list | head -1`) is not an error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : exitCodes.bug));
  try {
    await program(interrupt.signal).parseAsync(process.argv);
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
      `hal: this is a bug in hal, please report it\n${printable(error instanceof Error ? (error.stack ?? error.message) : String(error))}\n`,
    );
    return exitCodes.bug;
  }
}

/** What the host refused, as the user can act on it: a full disk is no bug of hal's. */
function systemError(error: unknown): HalError | undefined {
  const { code, path } = error as NodeJS.ErrnoException;
  const at = path === undefined ? {} : { at: { file: path } };
  if (code === "ENOSPC" || code === "EDQUOT")
    return new HalError("command", "the disk is full", {
      ...at,
      remedy: "free some space and build again; the previous output is untouched",
    });
  if (code === "EACCES" || code === "EPERM") return new HalError("input", "permission denied", at);
  if (code === "EROFS") return new HalError("input", "read-only filesystem", at);
  if (code === "ENOENT" && path !== undefined) return new HalError("input", "does not exist", at);
  if (code === "ENOTDIR") return new HalError("input", "not a directory", at);
  return undefined;
}

process.exitCode = await main();
