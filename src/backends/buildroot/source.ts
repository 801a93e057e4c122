import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve as resolvePath } from "node:path";
import { HalError } from "../../lib/errors.js";
import { cacheRoot } from "../../lib/paths.js";
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
  if (existsSync(dir) && !(await isCommit(dir, resolved.profile.buildroot.commit, options.signal))) {
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

/** git's environment, without the configuration of user and host. */
const gitEnvironment = (more: Readonly<Record<string, string>> = {}): Record<string, string> =>
  cleanEnvironment({ GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0", ...more });

/** Whether the files of a tree are exactly those of a commit. A new index knows no times of files, so git reads all of them. */
async function isCommit(dir: string, commit: string, signal: AbortSignal): Promise<boolean> {
  const work = await mkdtemp(join(tmpdir(), "hal-index-"));
  const git = (...args: readonly string[]) => {
    const settings = ["core.fsmonitor=false", "core.hooksPath=/dev/null", `safe.directory=${dir}`].flatMap((setting) => ["-c", setting]);
    const env = gitEnvironment({ GIT_INDEX_FILE: join(work, "index") });
    return runCommand({ tool: "git", args: ["-C", dir, ...settings, ...args], env }, { signal, allowFailure: true });
  };
  try {
    const read = await git("read-tree", commit);
    const status = await git("status", "--porcelain", "--untracked-files=all");
    return read.exitCode === 0 && status.exitCode === 0 && status.stdout === "";
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function clone(dir: string, resolved: Resolved, { offline, signal }: SourceOptions): Promise<void> {
  if (offline) refuseClone(resolved);
  const { version, commit } = resolved.profile.buildroot;
  const fresh = `${dir}.${process.pid}`;
  await mkdir(join(dir, ".."), { recursive: true });
  await rm(fresh, { recursive: true, force: true });
  const env = gitEnvironment();
  const args = ["-c", "advice.detachedHead=false", "clone", "--quiet", "--depth", "1", "--branch", version, "--", REPOSITORY, fresh];
  await runCommand({ tool: "git", args, env }, { signal }).catch((error: unknown) => {
    if (!(error instanceof HalError) || error.kind !== "command") throw error;
    throw new HalError("command", `Buildroot ${version} cannot be cloned`, {
      at: nearestOrigin(resolved.origins, "/buildroot/version"),
      details: error.details,
      remedy: "check the network, or give your own tree: --buildroot DIR",
    });
  });
  const { stdout } = await runCommand({ tool: "git", args: ["-C", fresh, "rev-parse", "HEAD"], env });
  if (stdout.trim() !== commit) {
    await rm(fresh, { recursive: true, force: true });
    throw new HalError("check", `Buildroot's tag ${version} is commit ${stdout.trim()}, and the profile pins ${commit}`, {
      at: nearestOrigin(resolved.origins, "/buildroot/commit"),
      remedy: "a moved tag can be an attack; if you changed the version, set buildroot.commit to the commit of that version",
    });
  }
  await rename(fresh, dir);
}
