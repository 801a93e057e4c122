import type { Location } from "../lib/errors.js";

/** A YAML value with the place of each part. `load` returns it and `resolve` merges it. */
export type Tree = MapTree | ListTree | ScalarTree;

export interface MapTree {
  readonly type: "map";
  readonly at: Location;
  /** Tagged `!replace`: the value replaces the inherited one instead of merging with it. */
  readonly replace: boolean;
  readonly entries: ReadonlyMap<string, { readonly keyAt: Location; readonly value: Tree }>;
}

export interface ListTree {
  readonly type: "list";
  readonly at: Location;
  readonly replace: boolean;
  readonly items: readonly Tree[];
}

export interface ScalarTree {
  readonly type: "scalar";
  readonly at: Location;
  readonly value: string | number | boolean | null;
}

/** Merges a child into its parent: maps merge, lists append; a single value and a `!replace` value of the child replace the parent's. */
export function mergeTrees(parent: Tree, child: Tree): Tree {
  if (child.type === "map" && parent.type === "map" && !child.replace) {
    const entries = new Map(parent.entries);
    for (const [key, entry] of child.entries) {
      const inherited = entries.get(key);
      entries.set(key, inherited === undefined ? entry : { keyAt: entry.keyAt, value: mergeTrees(inherited.value, entry.value) });
    }
    return { type: "map", at: child.at, replace: parent.replace, entries };
  }
  if (child.type === "list" && parent.type === "list" && !child.replace) {
    return { type: "list", at: child.at, replace: parent.replace, items: [...parent.items, ...child.items] };
  }
  return child;
}

/** The value without places, as JSON. Every key becomes an own property, even `__proto__`. */
export function toPlain(tree: Tree): unknown {
  if (tree.type === "scalar") return tree.value;
  if (tree.type === "list") return tree.items.map(toPlain);
  return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toPlain(entry.value)]));
}

/** A key as one token of a JSON pointer (RFC 6901, section 3). */
export function pointerToken(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The subtree at a JSON pointer; undefined when the tree has no such value. */
export function treeAt(tree: Tree, pointer: string): Tree | undefined {
  let here: Tree | undefined = tree;
  for (const step of pointer.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (here?.type === "map") here = here.entries.get(key)?.value;
    else if (here?.type === "list") here = here.items[Number(key)];
    else return undefined;
  }
  return here;
}

/** The place of each value, by JSON pointer. */
export function originsOf(tree: Tree): Map<string, Location> {
  const origins = new Map<string, Location>();
  const visit = (here: Tree, pointer: string): void => {
    origins.set(pointer, here.at);
    if (here.type === "list") for (const [index, item] of here.items.entries()) visit(item, `${pointer}/${index}`);
    if (here.type === "map") for (const [key, entry] of here.entries) visit(entry.value, `${pointer}/${pointerToken(key)}`);
  };
  visit(tree, "");
  return origins;
}

/** The place of a value; for a default, which no file contains, the place of the nearest enclosing value. */
export function nearestOrigin(origins: ReadonlyMap<string, Location>, pointer: string): Location {
  for (let here = pointer; here !== ""; here = here.slice(0, here.lastIndexOf("/"))) {
    const at = origins.get(here);
    if (at !== undefined) return at;
  }
  return origins.get("") ?? { file: "profile" };
}

/** The file that contains a value; undefined for a value from the command line. */
export function fileOf(at: Location): string | undefined {
  return at.file.startsWith("--") ? undefined : at.file;
}
