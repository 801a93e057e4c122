import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command, RunOptions } from "./tools.js";
import { runCommand } from "./tools.js";

/** For root no user namespace is needed; a user becomes root of one and gets the ids of /etc/subuid and /etc/subgid. */
export const isRoot = process.getuid?.() === 0;

/** A tree that is another one with changes over it (overlayfs): nothing that is done to it reaches `base`. */
export interface Layers {
  /** Only ever read. */
  readonly base: string;
  /** A directory of its own, on the filesystem of what is built. */
  readonly changes: string;
  /** Where the two are seen as one. */
  readonly at: string;
}

/** Names in mount options are relative: a path may have a comma or a colon, which would end them. */
const MOUNT_LAYERS = `before=$PWD
cd "$2"
mount --bind "$1" base
mount -t overlay overlay -o lowerdir=base,upperdir=upper,workdir=work${isRoot ? "" : ",userxattr"} "$3"
cd "$before"
shift 3`;

/**
 * The command, run as root of a mount and process namespace of its own: what it mounts is gone when it ends,
 * and everything in it dies with hal, however hal dies (prctl(2), PR_SET_PDEATHSIG). The umask is fixed.
 * @param layers mounted first, for this command alone
 */
export function inNamespace(command: Command, layers?: Layers): Command {
  const mapping = isRoot ? [] : ["--map-root-user", "--map-auto"];
  const unshare = ["unshare", ...mapping, "--mount", "--pid", "--fork", "--kill-child", "--"];
  const mounts = layers === undefined ? [] : [layers.base, layers.changes, layers.at];
  const script = `umask 022\n${layers === undefined ? "" : `${MOUNT_LAYERS}\n`}exec "$@"`;
  return {
    ...command,
    tool: "setpriv",
    args: ["--pdeathsig", "KILL", ...unshare, "sh", "-euc", script, "sh", ...mounts, command.tool, ...command.args],
  };
}

/** Makes the directories of layers and tries them; undefined where the kernel or the filesystem of `changes` has no overlayfs. */
export async function openLayers(layers: Layers, options: Pick<RunOptions, "log" | "signal"> = {}): Promise<Layers | undefined> {
  for (const name of ["base", "upper", "work"]) {
    await mkdir(join(layers.changes, name), { recursive: true });
    await chmod(join(layers.changes, name), 0o755); // upper's is what the tree's root has
  }
  const { exitCode } = await runCommand(inNamespace({ tool: "true", args: [] }, layers), { ...options, allowFailure: true });
  return exitCode === 0 ? layers : undefined;
}

/** Removes a tree of which some files may belong to other ids of the namespace. */
export async function removeTree(dir: string): Promise<void> {
  if (isRoot) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  else await runCommand(inNamespace({ tool: "rm", args: ["-rf", "--", dir] }));
}
