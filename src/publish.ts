import { existsSync } from "node:fs";
import { copyFile, link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { HalError } from "./errors.js";
import { startOf } from "./process-start.js";

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

interface Holder {
  readonly pid: number;
  readonly started: string;
}

/** Takes the lock or throws who holds it. A lock whose holder is gone (killed) is taken over. */
async function lock(file: string, what: string): Promise<void> {
  // Written first and linked into place, so that nobody ever reads a lock without its holder.
  const mine = `${file}.${process.pid}`;
  await writeFile(mine, JSON.stringify({ pid: process.pid, started: (await startOf(process.pid)) ?? "" } satisfies Holder));
  try {
    while (!(await linked(mine, file))) {
      const holder = await holderOf(file);
      if (typeof holder === "object")
        throw new HalError("command", `${what} is being built by process ${holder.pid}`, { remedy: "wait for it, or stop it" });
      if (holder === "gone") await removeDead(file, mine);
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/**
 * Removes a lock whose holder is gone. Several builds may find the same one: they do it one after the other, and each looks again,
 * because what lies there by now may be the lock of a build that was quicker. A name that is taken is nobody else's to take, so a dead
 * lock that is seen in one's turn is still that one when it is removed; an absent one must be left alone.
 */
async function removeDead(file: string, mine: string): Promise<void> {
  const turn = `${file}.turn`;
  if (!(await linked(mine, turn))) {
    if ((await holderOf(turn)) === "gone") await rm(turn, { force: true }); // killed in its turn
    await setTimeout(10);
    return;
  }
  try {
    if ((await holderOf(file)) === "gone") await rm(file, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/** Whether a file could be given a second name that nobody has. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/** Who holds a lock; "gone" for one whose process has ended or that nobody can have written. */
async function holderOf(file: string): Promise<Holder | "gone" | "absent"> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return "absent";
  const holder = parseHolder(text);
  return holder !== undefined && (await startOf(holder.pid)) === holder.started ? holder : "gone";
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>;
    return typeof value.pid === "number" && typeof value.started === "string" ? { pid: value.pid, started: value.started } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Prepares to build `out/<name>`: locks it, clears what a killed build left behind.
 * @throws HalError "command" when another build of it is running
 */
export async function stage(outDir: string, name: string): Promise<Staging> {
  const out = resolve(outDir); // children run in directories of their own
  const home = join(out, ".hal");
  await mkdir(home, { recursive: true });
  const lockFile = join(home, `${name}.lock`);
  await lock(lockFile, `${out}/${name}`);
  const target = join(out, name);
  const stagingDir = join(home, `${name}.new`);
  const oldDir = join(home, `${name}.old`);
  const workDir = join(home, `${name}.work`);
  const log = join(home, `${name}.log`);
  // Killed between the two renames of publish(): the old output is whole, put it back.
  if (!existsSync(target) && existsSync(oldDir)) await rename(oldDir, target);
  await rm(oldDir, { recursive: true, force: true });
  await rm(stagingDir, { recursive: true, force: true });
  await mkdir(stagingDir, { recursive: true });
  await mkdir(workDir, { recursive: true });
  await rm(log, { force: true });
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
      await rm(lockFile, { force: true });
    },
  };
}
