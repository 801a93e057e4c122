import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type BindMount, withBindMounts } from "../../lib/namespace.js";
import { cacheRoot } from "../../lib/paths.js";
import { note } from "../../lib/terminal.js";
import { type Command, findTool, runCommand } from "../../lib/tools.js";
import type { BuildrootTree } from "./source.js";

/** The directories of one Buildroot build. */
export interface BuildrootDirs {
  /** Buildroot's `O=`. */
  readonly buildrootOutput: string;
  readonly external: string;
  /** BR2_DL_DIR, shared by all builds. */
  readonly downloads: string;
  /** The mount point of make's own root, with all of these directories at fixed paths. Without it, make uses the real paths. */
  readonly root?: string;
}

/**
 * Absolute paths, because make runs in Buildroot's tree.
 * @param downloads by default the caller's BR2_DL_DIR, which Buildroot's own make reads too, else hal's cache
 */
export function buildrootDirs(
  workDir: string,
  externalTree: string,
  downloads = process.env.BR2_DL_DIR ?? join(cacheRoot(), "dl"),
): BuildrootDirs {
  return { buildrootOutput: resolve(workDir, "buildroot"), external: resolve(externalTree), downloads: resolve(downloads) };
}

/**
 * Built files contain the paths of the build, and must be equal on every machine and for every user. So all directories
 * of a build are mounted below this path for make. One example is libtool's run path: Buildroot removes it from a
 * program, but the file keeps a gap of the path's length.
 */
export const FIXED_ROOT = "/hal-build";

const FIXED_PATHS = {
  buildrootOutput: `${FIXED_ROOT}/output`,
  tree: `${FIXED_ROOT}/buildroot`,
  external: `${FIXED_ROOT}/external`,
  downloads: `${FIXED_ROOT}/dl`,
} as const;

/** The directories as make sees them. */
export function seenByMake(tree: BuildrootTree, dirs: BuildrootDirs): Readonly<Record<keyof typeof FIXED_PATHS, string>> {
  return dirs.root === undefined ? { ...dirs, tree: tree.dir } : FIXED_PATHS;
}

/**
 * Creates the directories and, where this machine permits namespaces, gives make its own root for them.
 * @returns the directories, and the reason why make sees them at their real paths, if it does
 */
export async function withFixedPaths(
  dirs: BuildrootDirs,
  signal: AbortSignal,
): Promise<{ readonly dirs: BuildrootDirs; readonly why?: string }> {
  const root = join(dirs.buildrootOutput, "../root");
  for (const dir of [dirs.buildrootOutput, dirs.downloads, root]) await mkdir(dir, { recursive: true });
  const why = await namespaceObjection(root, signal);
  return why === undefined ? { dirs: { ...dirs, root } } : { dirs, why };
}

/**
 * The reason why this machine does not permit the fixed paths; undefined when it does.
 * @param root an empty directory
 */
export async function namespaceObjection(root: string, signal?: AbortSignal): Promise<string | undefined> {
  const command = withBindMounts({ tool: "true", args: [] }, [], root);
  if ((await findTool(command.tool)) === undefined) return `${command.tool} is not installed`;
  const { exitCode, stderr } = await runCommand(command, {
    allowFailure: true,
    group: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "");
}

/** The consequence of building without fixed paths. */
export const WITHOUT_FIXED_PATHS = "programs that keep the build directory's path differ from those built elsewhere";

/** Explains the paths that make itself prints. */
export function noteFixedPath({ root, buildrootOutput }: BuildrootDirs): void {
  if (root !== undefined) note(`for make, ${buildrootOutput} is mounted at ${FIXED_PATHS.buildrootOutput}`);
}

/** A command with some directories mounted at other paths. */
export interface BoundCommand extends Command {
  readonly mounts: readonly BindMount[];
}

/** The command with make's own root, or the command as it is when the directories have no such root. */
export function boundCommand(command: Command, tree: BuildrootTree, dirs: BuildrootDirs): BoundCommand {
  if (dirs.root === undefined) return { ...command, mounts: [] };
  const real = { ...dirs, tree: tree.dir };
  const names = ["buildrootOutput", "tree", "external", "downloads"] as const;
  const mounts = names.map((name) => ({ target: FIXED_PATHS[name], source: real[name] }));
  return { ...withBindMounts(command, mounts, dirs.root), mounts };
}

/** Replaces make's fixed paths in a text by the real ones. */
export function toRealPaths(text: string, mounts: readonly BindMount[]): string {
  if (mounts.length === 0) return text;
  // A path starts after a space, a quote, `=`, or an option such as -I; not inside another path.
  const path = new RegExp(`(?<=^|[^\\w./-]|(?:^|[^\\w-])-[A-Za-z])(${mounts.map(({ target }) => target).join("|")})(?![\\w-])`, "gm");
  return text.replace(path, (found) => mounts.find(({ target }) => target === found)?.source ?? found);
}
