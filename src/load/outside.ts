import { readFileSync, realpathSync, statSync } from "node:fs";
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
  if (tree !== undefined && isInside(real, tree) && relative(tree, real).split(sep).includes(".git"))
    throw new HalError("input", `${path} is in a git repository's own data, which can contain credentials`, {
      at,
      remedy: "copy the file out of .git",
    });
  const own = tree === undefined ? [] : [tree];
  if ([...own, ...shipped, ...trustedRoots(), ...more].some((dir) => isInside(real, realPath(dir) ?? dir))) return;
  const leads = real === path ? path : `${path} leads to ${real}, which`;
  const trusting = `if you trust this file: --allow-outside, or HAL_TRUSTED_ROOTS=${dirname(real)}`;
  if (tree === undefined)
    throw new HalError("input", `this file has no tree of its own, because its directory has other files too, so it cannot name ${path}`, {
      at,
      remedy: `move both into a directory of their own; or, ${trusting}`,
    });
  throw new HalError("input", `${leads} is outside of ${tree}, the tree of this file`, {
    at,
    remedy: `move it into that tree; or, ${trusting}`,
  });
}

/** Directories whose files every document may name: `HAL_TRUSTED_ROOTS`, absolute, separated by colons. */
function trustedRoots(): readonly string[] {
  return (process.env.HAL_TRUSTED_ROOTS ?? "").split(delimiter).filter((dir) => dir.startsWith("/"));
}

/**
 * The tree that a document belongs to: its directory; for a directory `profiles`, `layouts` or `features`, the parent of
 * that directory, if both have the same owner. A directory with files of other people or programs (isShared) is not a tree.
 * A git repository further up does not count: it can be the user's own, with the document of a stranger somewhere in it.
 * @returns undefined for a document directly in a shared directory
 */
export function treeOf(file: string): string | undefined {
  const own = realpathSync(dirname(resolve(file)));
  const parent = dirname(own);
  const isFolder = Object.values(folders).includes(basename(own));
  if (isFolder && !isShared(parent) && statSync(parent).uid === statSync(own).uid) return parent;
  return isShared(own) ? undefined : own;
}

/** Directories of hier(7), with files of many users or programs. */
const SYSTEM_DIRECTORIES: ReadonlySet<string> = new Set(
  ["", "boot", "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr", "var"].map(
    (name) => `/${name}`,
  ),
);

/** Whether a directory is one of the system, a home directory, above a home directory, or writable for everybody (/tmp). */
function isShared(dir: string): boolean {
  const { mode } = statSync(dir);
  return (
    SYSTEM_DIRECTORIES.has(dir) || ((mode & 0o1000) !== 0 && (mode & 0o002) !== 0) || homeDirectories().some((home) => isInside(home, dir))
  );
}

/** The home directories of this process and of every user of this machine (passwd(5)). */
function homeDirectories(): readonly string[] {
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  const homes = [homedir(), ...users.map((line) => line.split(":")[5] ?? "")];
  return homes.filter((home) => home.startsWith("/")).map((home) => realPath(home) ?? home);
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
