import { HalError } from "../../lib/errors.js";
import { nearestOrigin } from "../../load/tree.js";
import type { Resolved } from "../../model/resolved.js";

/** Refuses a feature that Debian cannot provide, unless the profile omits it by name. */
export async function refuseForDebian({ features, debianOmitted, origins }: Resolved): Promise<void> {
  for (const [index, { name, debian }] of features.entries()) {
    if (debian.unavailable === undefined || debianOmitted.includes(name)) continue;
    throw new HalError("input", `the debian backend cannot provide feature '${name}': ${debian.unavailable}`, {
      at: nearestOrigin(origins, `/features/${index}`),
      remedy: `leave it out with backends: {debian: {omit: [${name}]}}, or use --backend buildroot`,
    });
  }
}
