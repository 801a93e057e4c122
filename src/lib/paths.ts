import { lstat, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { HalError } from "./errors.js";

/** The directory that hal is installed in, with profiles/, layouts/, features/, schema/ and shell/. */
export const halRoot = join(import.meta.dirname, "../..");

/** The path of one of hal's shell scripts. */
export function shellScript(name: string): string {
  return join(halRoot, "shell", name);
}

/** The directory for caches: `$HAL_CACHE`, else `$XDG_CACHE_HOME/hal`, else `~/.cache/hal`. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return env.HAL_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "hal");
}

/**
 * Makes a directory and its parents. Node's own recursive mkdir never returns for a path such as /proc/out, where
 * mkdir(2) reports ENOENT although the parent exists.
 * @throws HalError "input" if it cannot be made
 */
export async function makeDirectory(dir: string): Promise<void> {
  await mkdir(dir).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === "EEXIST") return;
    if (error.code !== "ENOENT") throw error;
    if ((await entryAt(dirname(dir))) !== undefined)
      throw new HalError("input", "cannot be created", { at: { file: dir }, remedy: "give another directory" });
    await makeDirectory(dirname(dir));
    await makeDirectory(dir);
  });
}

const entryAt = (path: string) => lstat(path).catch(() => undefined);
