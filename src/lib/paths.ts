import { homedir } from "node:os";
import { join } from "node:path";

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
