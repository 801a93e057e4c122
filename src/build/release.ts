import type { BuildOptions } from "../backends/backend.js";
import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved } from "../model/resolved.js";

/**
 * Refuses, with `--release`, an image whose promises do not hold for others than its developer.
 * @throws HalError "check"
 */
export function refuseUnreleasable(resolved: Resolved, options: BuildOptions): void {
  if (!options.release) return;
  const at = resolved.origins.get("/debug");
  if (resolved.profile.debug)
    throw new HalError("check", "a debug image cannot be released: its console and login are open", at === undefined ? {} : { at });
  if (resolved.platform === "none") throw new HalError("check", "an image for platform none cannot be released: no hardware protects it");
  const { boot, launch } = resolved.profile;
  if (boot === "uki" && (resolved.platform === "sev" || (resolved.platform === "sev-snp" && launch.igvm === undefined)))
    throw new HalError("check", `on platform ${resolved.platform} nothing measures what the firmware boots from a disk`, {
      at: nearestOrigin(resolved.origins, "/boot"),
      remedy: resolved.platform === "sev" ? "boot: direct" : "boot: direct, or launch.igvm, which brings a vTPM",
    });
  if (options.backend === "debian" && resolved.debianOmitted.length > 0) {
    throw new HalError("check", `the debian backend leaves out ${resolved.debianOmitted.join(", ")}`, {
      remedy: "release with the buildroot backend",
    });
  }
}
