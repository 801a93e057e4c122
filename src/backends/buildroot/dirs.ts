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
  readonly output: string;
  readonly external: string;
  /** BR2_DL_DIR, shared by all builds. */
  readonly downloads: string;
  /** What make's own root is mounted on, so that it sees all these at fixed paths; without it, where they are. */
  readonly root?: string;
}

/**
 * Absolute paths: make runs in Buildroot's tree.
 * @param downloads default BR2_DL_DIR of the caller, as Buildroot's own make has it, else hal's cache
 */
export function buildrootDirs(
  workDir: string,
  externalTree: string,
  downloads = process.env.BR2_DL_DIR ?? join(cacheRoot(), "dl"),
): BuildrootDirs {
  return { output: resolve(workDir, "buildroot"), external: resolve(externalTree), downloads: resolve(downloads) };
}

/**
 * What a package writes about where it was built must be the same on every machine and for every user, so make
 * sees all directories of a build here. libtool's run path is one such text: Buildroot removes it from a
 * program, but the room for it stays in the file, as long as the path was.
 */
export const FIXED_ROOT = "/hal-build";

const FIXED_PATHS = {
  output: `${FIXED_ROOT}/output`,
  tree: `${FIXED_ROOT}/buildroot`,
  external: `${FIXED_ROOT}/external`,
  downloads: `${FIXED_ROOT}/dl`,
} as const;

/** The directories as make sees them. */
export function seenByMake(tree: BuildrootTree, dirs: BuildrootDirs): Readonly<Record<keyof typeof FIXED_PATHS, string>> {
  return dirs.root === undefined ? { ...dirs, tree: tree.dir } : FIXED_PATHS;
}

/**
 * The same directories with make's own root for them, where this machine permits namespaces.
 * @returns the directories, and why make has to see them where they are, if it has to
 */
export async function withFixedPaths(
  dirs: BuildrootDirs,
  signal: AbortSignal,
): Promise<{ readonly dirs: BuildrootDirs; readonly why?: string }> {
  const root = join(dirs.output, "../root");
  for (const dir of [dirs.output, dirs.downloads, root]) await mkdir(dir, { recursive: true });
  const why = await refusal(root, signal);
  return why === undefined ? { dirs: { ...dirs, root } } : { dirs, why };
}

/**
 * Why this machine does not permit the fixed paths; undefined when it does.
 * @param root an empty directory
 */
export async function refusal(root: string, signal?: AbortSignal): Promise<string | undefined> {
  const command = withBindMounts({ tool: "true", args: [] }, [], root);
  if ((await findTool(command.tool)) === undefined) return `${command.tool} is not installed`;
  const { exitCode, stderr } = await runCommand(command, {
    allowFailure: true,
    group: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "");
}

/** What the refusal costs. */
export const WITHOUT_FIXED_PATHS = "programs that keep the build directory's path differ from those built elsewhere";

/** For those who are about to look at what make itself prints. */
export function tellFixedPath({ root, output }: BuildrootDirs): void {
  if (root !== undefined) note(`make sees ${output} as ${FIXED_PATHS.output}`);
}

/** A command that sees some directories at other paths than they have. */
export interface BoundCommand extends Command {
  readonly mounts: readonly BindMount[];
}

/** The command that sees the fixed paths, or everything where it is when the directories have no root of make's own. */
export function boundCommand(command: Command, tree: BuildrootTree, dirs: BuildrootDirs): BoundCommand {
  if (dirs.root === undefined) return { ...command, mounts: [] };
  const real = { ...dirs, tree: tree.dir };
  const mounts = (["output", "tree", "external", "downloads"] as const).map((name) => ({ target: FIXED_PATHS[name], source: real[name] }));
  return { ...withBindMounts(command, mounts, dirs.root), mounts };
}

/** A text of make's with the paths that exist outside of it. */
export function outside(text: string, mounts: readonly BindMount[]): string {
  if (mounts.length === 0) return text;
  // After a space, a quote, `=`, or an option such as -I; not within another path.
  const path = new RegExp(`(?<=^|[^\\w./-]|(?:^|[^\\w-])-[A-Za-z])(${mounts.map(({ target }) => target).join("|")})(?![\\w-])`, "gm");
  return text.replace(path, (found) => mounts.find(({ target }) => target === found)?.source ?? found);
}
