import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";

/** A place to build in, on the same filesystem as the output, that only this process uses. */
export interface Staging {
  /** Kept between builds: what makes the next build fast. */
  readonly workDir: string;
  /** What becomes `out/<profile>`; empty at the start. */
  readonly stagingDir: string;
  /** The log of this build, empty at the start; it stays when the build fails. */
  readonly log: string;
  /** Puts the staging directory in the place of the old output, in one rename. */
  publish(): Promise<void>;
  release(): Promise<void>;
}

/** Names hal in the lock's file while hal has it, which is until the input ends. What a terminal sends to all its processes is hal's to act on. */
const HOLD = `trap "" INT TERM HUP
echo "$1" > "$2"
echo taken
cat
: > "$2"`;

const REFUSED = 75;

/**
 * Takes the lock of an output, or throws who has it. A child holds it (flock(2)) and reads what hal never writes: however hal ends, the
 * child's input ends and the kernel gives the lock back, in every container that sees the file.
 * @returns gives it back
 */
function lock(file: string, what: string): Promise<() => Promise<void>> {
  const input = new PassThrough();
  const flock = ["--no-fork", "--nonblock", "--conflict-exit-code", String(REFUSED), file];
  const command = { tool: "flock", args: [...flock, "sh", "-euc", HOLD, "sh", String(process.pid), file] };
  return new Promise((resolve, reject) => {
    const giveBack = async (): Promise<void> => {
      input.end();
      await holding;
    };
    const holding = runCommand(command, { input, onLine: (line) => line === "taken" && resolve(giveBack), allowFailure: true });
    holding
      .then(async ({ exitCode, stderr }) => {
        if (exitCode === 0) return; // given back
        if (exitCode !== REFUSED) throw new HalError("command", `${what} cannot be locked`, { details: [stderr.trim()] });
        const holder = (await readFile(file, "utf8")).trim() || "unknown"; // between the lock and its name
        throw new HalError("command", `${what} is being built by process ${holder}`, { remedy: "wait for it, or stop it" });
      })
      .catch(reject);
  });
}

/**
 * Prepares to build `out/<name>`: locks it, clears what a killed build left behind.
 * @throws HalError "command" when another build of it is running
 */
export async function stage(outDir: string, name: string): Promise<Staging> {
  const out = resolve(outDir); // children run in directories of their own
  const home = join(out, ".hal");
  const at = (kind: string): string => join(home, `${name}.${kind}`);
  const [target, stagingDir, oldDir, workDir, log] = [join(out, name), at("new"), at("old"), at("work"), at("log")];
  await mkdir(home, { recursive: true });
  const unlock = await lock(at("lock"), target);
  try {
    // Killed between the two renames of publish(): the old output is whole, put it back.
    if (!existsSync(target) && existsSync(oldDir)) await rename(oldDir, target);
    for (const left of [oldDir, stagingDir, log]) await rm(left, { recursive: true, force: true });
    for (const dir of [stagingDir, workDir]) await mkdir(dir, { recursive: true });
  } catch (error) {
    await unlock();
    throw error;
  }
  return {
    log,
    workDir,
    stagingDir,
    async publish() {
      await copyFile(log, join(stagingDir, "build.log"));
      if (existsSync(target)) await rename(target, oldDir);
      await rename(stagingDir, target);
      await rm(oldDir, { recursive: true, force: true });
    },
    async release() {
      await rm(stagingDir, { recursive: true, force: true });
      await unlock();
    },
  };
}
