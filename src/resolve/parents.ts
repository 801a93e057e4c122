import { basename } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { findDocument } from "../load/catalog.js";
import { load } from "../load/load.js";
import { type MapTree, mergeTrees, toPlain, treeAt } from "../load/tree.js";

/** What belongs to one file and is not handed down to the profiles that extend it. */
const OWN_KEYS = new Set(["name", "description", "abstract", "extends"]);

/** The merged tree of one profile file over all of its parents. A parent of several of them is there once, below all of them. */
export async function loadWithParents(file: string): Promise<MapTree> {
  const trees = new Map<string, MapTree>();
  await loadLine(file, [], trees);
  const own = trees.get(file);
  const inherited = [...trees].flatMap(([path, tree]) => (path === file ? [] : [withoutOwnKeys(tree)]));
  return [...inherited, ...(own === undefined ? [] : [own])].reduce((merged, tree) => mergeTrees(merged, tree) as MapTree);
}

/** Adds a profile's file behind those of its parents, in the order in which `extends` names them. */
async function loadLine(file: string, children: readonly string[], line: Map<string, MapTree>): Promise<void> {
  const tree = await load(file, "profile");
  refuseOtherName(tree, file);
  for (const parent of parentsOf(tree)) {
    const parentFile = findDocument("profile", parent.reference, file, parent.at);
    const chain = [...children, file];
    if (chain.includes(parentFile)) {
      const names = [...chain.slice(chain.indexOf(parentFile)), parentFile].map((path) => basename(path, ".yaml"));
      throw new HalError("input", `profiles extend each other in a circle: ${names.join(" → ")}`, { at: parent.at });
    }
    if (!line.has(parentFile)) await loadLine(parentFile, chain, line);
  }
  line.set(file, tree);
}

/** Names are looked up by file: one that calls itself something else would be taken for another. */
export function refuseOtherName(tree: MapTree, file: string): void {
  const name = treeAt(tree, "/name");
  const kind = treeAt(tree, "/kind");
  if (name?.type !== "scalar" || basename(file).replace(/\.ya?ml$/, "") === name.value) return;
  const what = kind?.type === "scalar" ? String(kind.value).toLowerCase() : "document";
  throw new HalError("input", `the ${what} in ${basename(file)} is called '${name.value}'`, {
    at: name.at,
    remedy: "name and file must agree",
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
