import { homedir } from "node:os";
import { join } from "node:path";

/** hal's own installation: the folder that has profiles/, templates/, schema/. */
export const halRoot = join(import.meta.dirname, "../..");

/** Where caches live: `$HAL_CACHE`, else `$XDG_CACHE_HOME/hal`, else `~/.cache/hal`. */
export function cacheRoot(env: NodeJS.ProcessEnv = process.env): string {
  return env.HAL_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "hal");
}
