import { homedir } from "node:os";
import { join } from "node:path";

/** The directory that hal is installed in, with profiles/, layouts/, features/ and schema/. */
export const halRoot = join(import.meta.dirname, "../..");

/** The directory for caches: `$HAL_CACHE`, else `$XDG_CACHE_HOME/hal`, else `~/.cache/hal`. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return env.HAL_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "hal");
}
