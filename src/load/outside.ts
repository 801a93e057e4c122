import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, dirname, join, relative, resolve, sep } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { halRoot } from "../lib/paths.js";
import { folders } from "./kinds.js";
import { fileOf } from "./tree.js";

/** hal's own documents and what they name. */
const shipped = Object.values(folders).map((folder) => join(halRoot, folder));

/**
 * Refuses a path that a document names and that leads out of the document's own tree, with links followed. Somebody else
 * can have written the document, and everything that it names can become part of an image. A path from the command
 * line, or from hal's own documents, may lead anywhere. So may a path that does not exist: hal reads nothing there.
 * @param path absolute
 * @param at the place that names the path
 * @param allowOutside the caller trusts the document (`--allow-outside`)
 * @param more further directories that may contain the path
 * @throws HalError "input"
 */
export function refuseOutside(path: string, at: Location, allowOutside: boolean, more: readonly string[] = []): void {
  const file = fileOf(at);
  if (allowOutside || file === undefined || shipped.some((dir) => isInside(resolve(file), dir))) return;
  const real = realPath(path);
  if (real === undefined) return;
  const tree = treeOf(file);
  if (isInside(real, tree) && relative(tree, real).split(sep).includes(".git"))
    throw new HalError("input", `${path} is in a git repository's own data, which can contain credentials`, {
      at,
      remedy: "copy the file out of .git",
    });
  if ([tree, ...shipped, ...trustedRoots(), ...more].some((dir) => isInside(real, realPath(dir) ?? dir))) return;
  const leads = real === path ? path : `${path} leads to ${real}, which`;
  throw new HalError("input", `${leads} is outside of ${tree}, the tree of this file`, {
    at,
    remedy: `move it into that tree; or, if you trust this file: --allow-outside, or HAL_TRUSTED_ROOTS=${dirname(real)}`,
  });
}

/** Directories whose files every document may name: `HAL_TRUSTED_ROOTS`, absolute, separated by colons. */
function trustedRoots(): readonly string[] {
  return (process.env.HAL_TRUSTED_ROOTS ?? "").split(delimiter).filter((dir) => dir.startsWith("/"));
}

/**
 * The tree that a document belongs to: the git work tree that contains it, else the directory with its `profiles/`,
 * `layouts/` or `features/`, else its directory. A git repository of a whole home directory does not count.
 */
export function treeOf(file: string): string {
  const home = realpathSync(dirname(resolve(file)));
  const users = realPath(homedir());
  for (let dir = home; dir !== dirname(dir) && dir !== users; dir = dirname(dir)) if (existsSync(join(dir, ".git"))) return dir;
  return Object.values(folders).includes(basename(home)) ? dirname(home) : home;
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function isInside(path: string, dir: string): boolean {
  return path === dir || path.startsWith(dir.endsWith(sep) ? dir : `${dir}${sep}`);
}
