import type { BuildOptions } from "../backends/backend.js";
import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";

/**
 * With `--release`, refuses an image that is for development only.
 * @throws HalError "check"
 */
export function refuseUnreleasable(resolved: Resolved, options: BuildOptions): void {
  if (!options.release) return;
  const at = resolved.origins.get("/debug");
  if (resolved.profile.debug)
    throw new HalError("check", "a debug image cannot be released: its console and login are enabled", at === undefined ? {} : { at });
  const { name, unreleasable, unmeasuredDisk } = platforms[resolved.platform];
  if (unreleasable !== undefined)
    throw new HalError("check", `an image for platform ${name} cannot be released: ${unreleasable}`, {
      at: nearestOrigin(resolved.origins, "/platform"),
      remedy: "set platform to the TEE of the hardware",
    });
  const { boot, launch } = resolved.profile;
  const remedy = boot === "uki" ? unmeasuredDisk(launch) : undefined;
  if (remedy !== undefined)
    throw new HalError("check", `on platform ${name} no register measures the program that the firmware boots from a disk`, {
      at: nearestOrigin(resolved.origins, "/boot"),
      remedy,
    });
  if (options.backend === "debian" && resolved.debianOmitted.length > 0) {
    throw new HalError("check", `the debian backend leaves out ${resolved.debianOmitted.join(", ")}`, {
      at: nearestOrigin(resolved.origins, "/backends/debian/omit"),
      remedy: "release with the buildroot backend",
    });
  }
}
