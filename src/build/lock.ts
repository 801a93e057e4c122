import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { HalError } from "../lib/errors.js";
import { shellScript } from "../lib/paths.js";
import { runCommand } from "../lib/tools.js";

/** The exit code of flock(1) when another process holds the lock. */
const LOCKED = 75;

/**
 * Locks an image directory. A child process holds the lock (flock(2)) as long as its standard input is open, so the
 * kernel releases it when hal ends, even by kill -9. The lock works between containers that share the file.
 * @param file the lock file; it contains hal's process id while the lock is held
 * @returns releases the lock
 * @throws HalError "command" that names the process which holds the lock
 */
export async function lock(file: string, what: string): Promise<() => Promise<void>> {
  // The child opens the file through /proc (proc(5)): a link that somebody put at its path is never followed.
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const handle = await open(file, flags, 0o644).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ELOOP" ? "is a symbolic link" : error.code;
    throw new HalError("command", `${what} cannot be locked`, { details: [`${file}: ${why}`] });
  });
  try {
    return await holdLock(`/proc/${process.pid}/fd/${handle.fd}`, what);
  } finally {
    await handle.close();
  }
}

function holdLock(file: string, what: string): Promise<() => Promise<void>> {
  const input = new PassThrough();
  const flock = ["--no-fork", "--nonblock", "--conflict-exit-code", String(LOCKED), file];
  const holder = ["sh", shellScript("hold-lock.sh"), String(process.pid), file];
  const command = { tool: "flock", args: [...flock, ...holder] };
  return new Promise((resolve, reject) => {
    const release = async (): Promise<void> => {
      input.end();
      await held;
    };
    const held = runCommand(command, { input, onLine: (line) => line === "locked" && resolve(release), allowFailure: true });
    held
      .then(async ({ exitCode, stderr }) => {
        if (exitCode === 0) return; // released
        if (exitCode !== LOCKED) throw new HalError("command", `${what} cannot be locked`, { details: stderr.trim().split("\n") });
        const holder = (await readFile(file, "utf8")).trim() || "unknown"; // the process holds the lock, but has not written its id yet
        throw new HalError("command", `${what} is being built by process ${holder}`, { remedy: "wait for it, or stop it" });
      })
      .catch(reject);
  });
}
