import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { findDocument } from "../load/catalog.js";
import { callersFolders } from "../load/kinds.js";
import { load } from "../load/load.js";
import { refuseOutside } from "../load/outside.js";
import { type MapTree, mergeTrees, toPlain, treeAt } from "../load/tree.js";

/** Keys that a profile does not inherit from its parents. */
const OWN_KEYS = new Set(["name", "description", "abstract", "extends"]);

/** More ancestors than any profile has. */
const MAX_ANCESTORS = 64;

/**
 * Loads a profile file and all of its ancestors, and merges them. Later values replace earlier ones.
 * Parents come before their children. An ancestor of several parents is merged once, before all of them.
 * @param allowOutside accepts a parent out of the tree of the file that names it
 * @throws HalError "input", with its location, for a missing parent or profiles that extend each other in a circle
 */
export async function loadWithParents(file: string, allowOutside: boolean): Promise<MapTree> {
  const trees = new Map<string, MapTree>();
  await loadAncestors(file, [], trees, allowOutside);
  const all = [...trees.values()]; // the profile itself is the last
  return all
    .map((tree, index) => (index === all.length - 1 ? tree : withoutOwnKeys(tree)))
    .reduce((merged, tree) => mergeTrees(merged, tree) as MapTree);
}

/**
 * Adds the ancestors of a profile file to `ordered`, in the order of `extends`, and then the file itself.
 * @param descendants the real paths of the profiles between the first one and this one
 * @param ordered by real path: through links, one file has any number of other paths
 */
async function loadAncestors(
  file: string,
  descendants: readonly string[],
  ordered: Map<string, MapTree>,
  allowOutside: boolean,
): Promise<void> {
  const tree = await load(file, "profile");
  requireFileName(tree, file);
  const real = realpathSync(file);
  const chain = [...descendants, real];
  for (const parent of parentsOf(tree)) {
    const parentFile = findDocument("profile", parent.reference, file, parent.at);
    refuseOutside(parentFile, parent.at, allowOutside, callersFolders);
    const realParent = realpathSync(parentFile);
    if (chain.includes(realParent)) {
      const names = [...chain.slice(chain.indexOf(realParent)), realParent].map((path) => basename(path, ".yaml"));
      throw new HalError("input", `profiles extend each other in a circle: ${names.join(" → ")}`, { at: parent.at });
    }
    if (ordered.has(realParent)) continue;
    if (ordered.size + chain.length > MAX_ANCESTORS)
      throw new HalError("input", `the profile has more than ${MAX_ANCESTORS} ancestors`, { at: parent.at, remedy: "merge some of them" });
    await loadAncestors(parentFile, chain, ordered, allowOutside);
  }
  ordered.set(real, tree);
}

/**
 * Requires that a document has the name of its file, because references find a document by file name.
 * @throws HalError "input" at the name
 */
export function requireFileName(tree: MapTree, file: string): void {
  const name = treeAt(tree, "/name");
  const kind = treeAt(tree, "/kind");
  if (name?.type !== "scalar" || basename(file).replace(/\.ya?ml$/, "") === name.value) return;
  const what = kind?.type === "scalar" ? String(kind.value).toLowerCase() : "document";
  throw new HalError("input", `the ${what} in ${basename(file)} is called '${name.value}'`, {
    at: name.at,
    remedy: "use the same name for the file and in it",
  });
}

function parentsOf(tree: MapTree): { reference: string; at: Location }[] {
  const given = treeAt(tree, "/extends");
  if (given === undefined) return [];
  const items = given.type === "list" ? given.items : [given];
  return items.map((item) => ({ reference: String(toPlain(item)), at: item.at }));
}

function withoutOwnKeys(tree: MapTree): MapTree {
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => !OWN_KEYS.has(key))) };
}
