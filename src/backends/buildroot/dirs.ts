import { existsSync } from "node:fs";
import { chmod, lstat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { makeInside } from "../../lib/links.js";
import { type BindMount, inSandbox } from "../../lib/namespace.js";
import { cacheRoot, makeDirectory } from "../../lib/paths.js";
import { note } from "../../lib/terminal.js";
import type { Command } from "../../lib/tools.js";
import type { Resolved } from "../../model/resolved.js";
import type { BuildrootTree } from "./source.js";

/** The directories of one Buildroot build. */
export interface BuildrootDirs {
  /** Buildroot's `O=`. */
  readonly buildrootOutput: string;
  readonly external: string;
  /** BR2_DL_DIR, shared by all builds. */
  readonly downloads: string;
  /** Further files and directories that make reads, at their own paths. */
  readonly read: readonly string[];
}

/** The download directory in hal's cache. */
function cachedDownloads(): string {
  return resolve(cacheRoot(), "dl");
}

/**
 * Absolute paths, because make runs in Buildroot's tree.
 * @param options.read the paths that the profile names (profilePaths)
 * @param options.downloads by default the caller's BR2_DL_DIR, which Buildroot's own make reads too, else hal's cache
 */
export function buildrootDirs(
  workDir: string,
  externalTree: string,
  {
    read = [],
    downloads = process.env.BR2_DL_DIR ?? cachedDownloads(),
  }: { readonly read?: readonly string[]; readonly downloads?: string } = {},
): BuildrootDirs {
  return { buildrootOutput: resolve(workDir, "buildroot"), external: resolve(externalTree), downloads: resolve(downloads), read };
}

/** The paths of this machine that a profile names for make: source trees, a toolchain, a kernel archive, a mirror. */
export function profilePaths({ profile }: Pick<Resolved, "profile">): readonly string[] {
  const { overrides, toolchain, primarySite } = profile.buildroot;
  const named = [
    ...Object.values(overrides),
    ...(typeof toolchain === "string" ? [] : [toolchain.external]),
    ...(profile.kernel.tarball === undefined ? [] : [profile.kernel.tarball]),
    ...(primarySite?.startsWith("file://") ? [primarySite.slice("file://".length)] : []),
  ];
  return [...new Set(named)].filter((path) => existsSync(path)).sort();
}

/**
 * Built files contain the paths of the build, and must be equal on every machine and for every user. So all directories
 * of a build are mounted below this path for make. One example is libtool's run path: Buildroot removes it from a
 * program, but the file keeps a gap of the path's length.
 */
const FIXED_ROOT = "/hal-build";

/** The directories as make sees them. */
export const seenByMake = {
  buildrootOutput: `${FIXED_ROOT}/output`,
  tree: `${FIXED_ROOT}/buildroot`,
  external: `${FIXED_ROOT}/external`,
  downloads: `${FIXED_ROOT}/dl`,
} as const;

/** Creates the directories that make writes to. */
export async function makeDirs({ buildrootOutput, downloads }: BuildrootDirs): Promise<void> {
  await makeInside(dirname(buildrootOutput), basename(buildrootOutput));
  await makeDirectory(downloads);
  // A program of a profile can leave a set-uid program there, so nobody else may enter hal's own directory.
  if (downloads === cachedDownloads() && (await lstat(downloads)).isDirectory()) await chmod(downloads, 0o700);
}

/** Explains the paths that make itself prints. */
export function noteFixedPath({ buildrootOutput }: BuildrootDirs): void {
  note(`for make, ${buildrootOutput} is mounted at ${seenByMake.buildrootOutput}`);
}

/** A command with some directories mounted at other paths. */
export interface BoundCommand extends Command {
  readonly mounts: readonly BindMount[];
}

/**
 * The command in the sandbox of a Buildroot build. A profile's make files and the packages that it names are programs
 * that run here.
 * @param downloads whether the command may write to the download directory, which other builds use too
 */
export function boundCommand(
  command: Command,
  tree: BuildrootTree,
  dirs: BuildrootDirs,
  { network, downloads }: { readonly network: boolean; readonly downloads: boolean },
): BoundCommand {
  const mount = (name: keyof typeof seenByMake, source: string): BindMount => ({ target: seenByMake[name], source });
  const shared = [mount("downloads", dirs.downloads)];
  const read = [mount("tree", tree.dir), mount("external", dirs.external), ...(downloads ? [] : shared)];
  const write = [mount("buildrootOutput", dirs.buildrootOutput), ...(downloads ? shared : [])];
  const sandbox = inSandbox(command, { ids: "one", read: [...read, ...dirs.read], write, network });
  return { ...sandbox, mounts: [...read, ...write] };
}

/** Replaces make's fixed paths in a text by the real ones. */
export function toRealPaths(text: string, mounts: readonly BindMount[]): string {
  if (mounts.length === 0) return text;
  // A path starts after a space, a quote, `=`, or an option such as -I; not inside another path.
  const path = new RegExp(`(?<=^|[^\\w./-]|(?:^|[^\\w-])-[A-Za-z])(${mounts.map(({ target }) => target).join("|")})(?![\\w-])`, "gm");
  return text.replace(path, (found) => mounts.find(({ target }) => target === found)?.source ?? found);
}
