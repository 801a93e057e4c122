import type { Resolved } from "../model/resolved.js";
import type { BackendName, BuildrootOptions } from "./backend.js";
import { refuseForBuildroot } from "./buildroot/refusals.js";
import { refuseForDebian } from "./debian/refusals.js";

type RefuseProfile = (resolved: Resolved, options: BuildrootOptions) => Promise<void>;

/**
 * Refuses a profile that a backend cannot build, on any host: a HalError "input". `hal check` needs this table and not the
 * backends themselves, which take longer to load.
 */
export const refuseProfile = {
  buildroot: refuseForBuildroot,
  debian: refuseForDebian,
} satisfies Readonly<Record<BackendName, RefuseProfile>>;
