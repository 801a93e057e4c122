import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve as resolvePath } from "node:path";
import { HalError } from "../../lib/errors.js";
import { cacheRoot } from "../../lib/paths.js";
import { cleanEnvironment, runCommand } from "../../lib/tools.js";
import { nearestOrigin } from "../../load/tree.js";
import type { Resolved } from "../../model/resolved.js";

/** A Buildroot tree that hal may use. */
export interface BuildrootTree {
  readonly dir: string;
  readonly version: string;
  /** The pinned git commit when hal cloned it; undefined for a tree of the user's. */
  readonly commit: string | undefined;
}

export interface SourceOptions {
  /** A tree of the user's. */
  readonly buildroot?: string | undefined;
  readonly allowVersion?: boolean | undefined;
  readonly offline: boolean;
  readonly signal: AbortSignal;
}

const REPOSITORY = "https://gitlab.com/buildroot.org/buildroot.git";

/**
 * The Buildroot tree that a profile asks for: the user's own, or the pinned release from the cache, cloned
 * at depth 1 and checked against its commit when it is not there yet.
 * @throws HalError "input" for a tree of the wrong version, "check" for a tag whose commit is not the pinned one
 */
export async function buildrootTree(resolved: Resolved, options: SourceOptions): Promise<BuildrootTree> {
  const { version, commit } = resolved.profile.buildroot;
  if (options.buildroot !== undefined) {
    const dir = resolvePath(options.buildroot);
    const found = await versionOf(dir);
    if (found !== version && !options.allowVersion) {
      throw new HalError("input", `is Buildroot ${found}, and profile '${resolved.name}' wants ${version}`, {
        at: { file: dir },
        remedy: `--set buildroot.version=${found}, or --allow-version`,
      });
    }
    return { dir, version: found, commit: undefined };
  }
  const dir = cachedTree(resolved);
  if (!existsSync(dir)) await clone(dir, resolved, options);
  return { dir, version: await versionOf(dir), commit };
}

/** Where the cache has the pinned release, once it has been cloned. */
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
      remedy: "give the directory that has Buildroot's Makefile",
    });
  return found;
}

async function clone(dir: string, resolved: Resolved, options: SourceOptions): Promise<void> {
  const { version, commit } = resolved.profile.buildroot;
  const at = nearestOrigin(resolved.origins, "/buildroot/version");
  if (options.offline) {
    throw new HalError("command", `Buildroot ${version} is not in the cache, and --offline forbids to clone it`, {
      at,
      remedy: "--buildroot DIR, or hal fetch on a machine with a network",
    });
  }
  const fresh = `${dir}.${process.pid}`;
  await mkdir(join(dir, ".."), { recursive: true });
  await rm(fresh, { recursive: true, force: true });
  const env = cleanEnvironment({ GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0" });
  await runCommand(
    {
      tool: "git",
      args: ["-c", "advice.detachedHead=false", "clone", "--quiet", "--depth", "1", "--branch", version, "--", REPOSITORY, fresh],
      env,
    },
    { signal: options.signal },
  ).catch((error: unknown) => {
    if (!(error instanceof HalError) || error.kind !== "command") throw error;
    throw new HalError("command", `Buildroot ${version} cannot be cloned`, {
      at,
      details: error.details,
      remedy: "check the network, or give a tree of yours: --buildroot DIR",
    });
  });
  const { stdout } = await runCommand({ tool: "git", args: ["-C", fresh, "rev-parse", "HEAD"], env });
  if (stdout.trim() !== commit) {
    await rm(fresh, { recursive: true, force: true });
    throw new HalError("check", `Buildroot's tag ${version} is commit ${stdout.trim()}, and the profile pins ${commit}`, {
      at: nearestOrigin(resolved.origins, "/buildroot/commit"),
      remedy: "a tag that moved is a reason for alarm; if you changed the version, set buildroot.commit to that version's commit",
    });
  }
  await rename(fresh, dir);
}
