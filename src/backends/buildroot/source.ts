import { existsSync } from "node:fs";
import { lstat, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve as resolvePath } from "node:path";
import { gitObjectId, gitTreeId, treeOfCommit } from "../../codecs/git-tree.js";
import { HalError } from "../../lib/errors.js";
import { cacheRoot, makeDirectory } from "../../lib/paths.js";
import { readRegular } from "../../lib/regular-file.js";
import { note } from "../../lib/terminal.js";
import { cleanEnvironment, runCommand } from "../../lib/tools.js";
import { nearestOrigin } from "../../load/tree.js";
import type { Resolved } from "../../model/resolved.js";

/** A Buildroot tree that hal may use. */
export interface BuildrootTree {
  readonly dir: string;
  readonly version: string;
  /** The pinned git commit of a tree that hal cloned; undefined for the user's own tree. */
  readonly commit: string | undefined;
}

export interface SourceOptions {
  /** The user's own tree. */
  readonly buildroot?: string | undefined;
  readonly allowVersion?: boolean | undefined;
  readonly offline: boolean;
  readonly signal: AbortSignal;
}

const REPOSITORY = "https://gitlab.com/buildroot.org/buildroot.git";

/**
 * The Buildroot tree of a profile: the user's own tree, or the pinned release from the cache. A release that the cache
 * lacks is cloned at depth 1 and checked against its commit. A release in the cache is checked each time it is used.
 * @throws HalError "input" for a tree of the wrong version, "check" for a tag whose commit is not the pinned one
 */
export async function buildrootTree(resolved: Resolved, options: SourceOptions): Promise<BuildrootTree> {
  if (options.buildroot !== undefined) return ownTree(resolved, options.buildroot, options.allowVersion);
  const dir = cachedTree(resolved);
  if (existsSync(dir) && !(await isCommit(dir, resolved.profile.buildroot.commit))) {
    if (options.offline)
      throw new HalError("check", "is not the pinned commit of Buildroot, and --offline forbids to clone it again", {
        at: { file: dir },
        remedy: "build once without --offline",
      });
    note(`${dir} in the cache is damaged; hal clones it again`);
    await rm(dir, { recursive: true, force: true });
  }
  if (!existsSync(dir)) await clone(dir, resolved, options);
  return { dir, version: await versionOf(dir), commit: resolved.profile.buildroot.commit };
}

/**
 * The user's own tree.
 * @throws HalError "input" when it is no Buildroot tree, or of another version than the profile names
 */
export async function ownTree(resolved: Resolved, path: string, allowVersion = false): Promise<BuildrootTree> {
  const { version } = resolved.profile.buildroot;
  const dir = resolvePath(path);
  const found = await versionOf(dir);
  if (found !== version && !allowVersion) {
    throw new HalError("input", `is Buildroot ${found}, and profile '${resolved.name}' requires ${version}`, {
      at: { file: dir },
      remedy: `--set buildroot.version=${found}, or --allow-version`,
    });
  }
  return { dir, version: found, commit: undefined };
}

/** The place of the pinned release in the cache. It exists once the release has been cloned. */
export function cachedTree(resolved: Resolved): string {
  const { version, commit } = resolved.profile.buildroot;
  return join(cacheRoot(), "buildroot", `${version}-${commit.slice(0, 12)}`);
}

/** The release of a tree, from the first lines of its Makefile. */
export async function versionOf(dir: string): Promise<string> {
  const text = await readFile(join(dir, "Makefile"), "utf8").catch(() => "");
  const found = /^export BR2_VERSION := (\S+)$/m.exec(text)?.[1];
  if (found === undefined)
    throw new HalError("input", "is not a Buildroot tree", {
      at: { file: dir },
      remedy: "give the directory with Buildroot's Makefile",
    });
  return found;
}

/** @throws HalError "command": `--offline` forbids to clone the pinned release */
export function refuseClone(resolved: Resolved): never {
  throw new HalError("command", `Buildroot ${resolved.profile.buildroot.version} is not in the cache, and --offline forbids to clone it`, {
    at: nearestOrigin(resolved.origins, "/buildroot/version"),
    remedy: "--buildroot DIR, or hal fetch on a machine with a network",
  });
}

/** Bytes; far more than a commit object has. */
const MOST_COMMIT_BYTES = 64 * 1024;

/** The commit object of a release in the cache, as git stores it. It binds the tree to the commit. */
function commitFile(dir: string): string {
  return `${dir}.commit`;
}

/** Whether the files of a tree are exactly those of a commit, and nothing else. It runs no git: see gitTreeId. */
async function isCommit(dir: string, commit: string): Promise<boolean> {
  if (!(await lstat(dir)).isDirectory()) return false;
  const object = await readRegular(commitFile(dir), { follow: false, most: MOST_COMMIT_BYTES }).catch(() => undefined);
  if (object === undefined || gitObjectId("commit", object) !== commit) return false;
  return (await gitTreeId(dir)) === treeOfCommit(object);
}

/** Runs git without the configuration, the attributes and the templates of user and host. */
async function git(args: readonly string[], signal: AbortSignal): Promise<Buffer> {
  const env = cleanEnvironment({
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_TERMINAL_PROMPT: "0",
  });
  const settings = ["advice.detachedHead=false", "core.attributesFile=/dev/null", "core.hooksPath=/dev/null"];
  const command = { tool: "git", args: [...settings.flatMap((setting) => ["-c", setting]), ...args], env };
  const chunks: Buffer[] = [];
  await runCommand(command, { signal, onData: (chunk) => chunks.push(chunk) });
  return Buffer.concat(chunks);
}

/** Clones the pinned release. The cache keeps its files and its commit object, and no repository. */
async function clone(dir: string, resolved: Resolved, { offline, signal }: SourceOptions): Promise<void> {
  if (offline) refuseClone(resolved);
  const { version, commit } = resolved.profile.buildroot;
  await makeDirectory(dirname(dir));
  const work = await mkdtemp(`${dir}.`);
  const fresh = join(work, "tree");
  try {
    const args = ["clone", "--quiet", "--template=", "--depth", "1", "--branch", version, "--", REPOSITORY, fresh];
    await git(args, signal).catch((error: unknown) => {
      if (!(error instanceof HalError) || error.kind !== "command") throw error;
      throw new HalError("command", `Buildroot ${version} cannot be cloned`, {
        at: nearestOrigin(resolved.origins, "/buildroot/version"),
        details: error.details,
        remedy: "check the network, or give your own tree: --buildroot DIR",
      });
    });
    const object = await git(["-C", fresh, "cat-file", "commit", "HEAD"], signal);
    await rm(join(fresh, ".git"), { recursive: true });
    await writeFile(commitFile(fresh), object);
    if (!(await isCommit(fresh, commit))) {
      throw new HalError("check", `Buildroot's tag ${version} is commit ${gitObjectId("commit", object)}, and the profile pins ${commit}`, {
        at: nearestOrigin(resolved.origins, "/buildroot/commit"),
        remedy: "a moved tag can be an attack; if you changed the version, set buildroot.commit to the commit of that version",
      });
    }
    await rename(commitFile(fresh), commitFile(dir));
    await rename(fresh, dir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
