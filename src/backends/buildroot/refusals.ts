import { stat } from "node:fs/promises";
import { HalError } from "../../lib/errors.js";
import { nearestOrigin } from "../../load/tree.js";
import type { Resolved } from "../../model/resolved.js";
import { buildrootSymbols } from "../../render/buildroot-symbols.js";
import type { BuildrootOptions } from "../backend.js";

/**
 * Refuses a unified kernel image, a symbol that belongs to hal, an override directory that does not exist, a tree of the
 * wrong version, and a feature that this version of Buildroot cannot provide.
 */
export async function refuseForBuildroot(resolved: Resolved, { tree, allowVersion }: BuildrootOptions): Promise<void> {
  buildrootSymbols(resolved);
  for (const [name, dir] of Object.entries(resolved.profile.buildroot.overrides)) {
    const info = await stat(dir).catch(() => undefined);
    if (info?.isDirectory()) continue;
    throw new HalError("input", `${dir} ${info === undefined ? "does not exist" : "is not a directory"}`, {
      at: nearestOrigin(resolved.origins, `/buildroot/overrides/${name}`),
    });
  }
  // Imported when it is needed: without the code that runs tools, `hal check` starts faster.
  const { version } =
    tree === undefined ? resolved.profile.buildroot : await (await import("./source.js")).ownTree(resolved, tree, allowVersion);
  for (const [index, feature] of resolved.features.entries()) {
    const series = version.split(".").slice(0, 2).join(".");
    const why = feature.buildroot.unavailable[version] ?? feature.buildroot.unavailable[series];
    if (why !== undefined) {
      throw new HalError("input", `Buildroot ${version} cannot provide feature '${feature.name}': ${why}`, {
        at: nearestOrigin(resolved.origins, `/features/${index}`),
      });
    }
  }
}
