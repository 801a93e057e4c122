import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Place, withPlaces } from "../../namespace.js";
import { note } from "../../output.js";
import { type Command, findTool, runCommand } from "../../tools.js";
import type { BuildrootDirs } from "./environment.js";
import type { BuildrootTree } from "./source.js";

/**
 * What a package writes about where it was built must be the same on every machine and for every user, so make
 * sees all directories of a build here. libtool's run path is one such text: Buildroot removes it from a
 * program, but the room for it stays in the file, as long as the path was.
 */
export const FIXED = "/hal-build";

const PLACES = {
  output: `${FIXED}/output`,
  tree: `${FIXED}/buildroot`,
  external: `${FIXED}/external`,
  downloads: `${FIXED}/dl`,
} as const;

/** The directories as make sees them. */
export function seenByMake(tree: BuildrootTree, dirs: BuildrootDirs): Readonly<Record<keyof typeof PLACES, string>> {
  return dirs.root === undefined ? { ...dirs, tree: tree.dir } : PLACES;
}

/**
 * The same directories with make's own root for them, where this machine permits namespaces.
 * @returns the directories, and why make has to see them where they are, if it has to
 */
export async function placed(dirs: BuildrootDirs, signal: AbortSignal): Promise<{ readonly dirs: BuildrootDirs; readonly why?: string }> {
  const root = join(dirs.output, "../root");
  for (const dir of [dirs.output, dirs.downloads, root]) await mkdir(dir, { recursive: true });
  const why = await refusal(root, signal);
  return why === undefined ? { dirs: { ...dirs, root } } : { dirs, why };
}

/**
 * Why this machine does not permit the fixed places; undefined when it does.
 * @param root an empty directory
 */
export async function refusal(root: string, signal?: AbortSignal): Promise<string | undefined> {
  const command = withPlaces({ tool: "true", args: [] }, [], root);
  if ((await findTool(command.tool)) === undefined) return `${command.tool} is not installed`;
  const { exitCode, stderr } = await runCommand(command, {
    allowFailure: true,
    group: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "");
}

/** What the refusal costs. */
export const WITHOUT_PLACES = "programs that keep the build directory's path differ from those built elsewhere";

/** For those who are about to look at what make itself prints. */
export function tellPlace({ root, output }: BuildrootDirs): void {
  if (root !== undefined) note(`make sees ${output} as ${PLACES.output}`);
}

/** A command that sees some directories at other places than they are. */
export interface PlacedCommand extends Command {
  readonly places: readonly Place[];
}

/** The command among the fixed places, or where everything is when the directories have no root of make's own. */
export function place(command: Command, tree: BuildrootTree, dirs: BuildrootDirs): PlacedCommand {
  if (dirs.root === undefined) return { ...command, places: [] };
  const real = { ...dirs, tree: tree.dir };
  const places = (["output", "tree", "external", "downloads"] as const).map((name) => ({ seen: PLACES[name], real: real[name] }));
  return { ...withPlaces(command, places, dirs.root), places };
}

/** A text of make's with the paths that exist outside of it. */
export function outside(text: string, places: readonly Place[]): string {
  if (places.length === 0) return text;
  // After a space, a quote, `=`, or an option such as -I; not within another path.
  const path = new RegExp(`(?<=^|[^\\w./-]|(?:^|[^\\w-])-[A-Za-z])(${places.map(({ seen }) => seen).join("|")})(?![\\w-])`, "gm");
  return text.replace(path, (found) => places.find(({ seen }) => seen === found)?.real ?? found);
}
