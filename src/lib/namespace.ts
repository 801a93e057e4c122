import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { shellScript } from "./paths.js";
import type { Command, RunOptions } from "./tools.js";
import { runCommand } from "./tools.js";

/** Root needs no user namespace. Another user becomes root in a new one, with the ids of /etc/subuid and /etc/subgid. */
export const isRoot = process.getuid?.() === 0;

/** An overlayfs tree: `base` with a layer of changes above it. The changes do not modify `base`. */
export interface Layers {
  /** Never written. */
  readonly base: string;
  /** An empty directory, on the filesystem of the build. */
  readonly changes: string;
  /** The mount point of the whole tree. */
  readonly at: string;
}

/**
 * The command, run as root in a new mount and process namespace. Its mounts end with it. All its processes end when hal
 * ends, even after `kill -9` (prctl(2), PR_SET_PDEATHSIG). The umask is always 022.
 * @param layers mounted first, for this command alone
 */
export function inNamespace(command: Command, layers?: Layers): Command {
  const options = isRoot ? [] : ["--map-root-user", "--map-auto"];
  if (layers === undefined) return unshared(options, "run.sh", [], command);
  const { base, changes, at } = layers;
  return unshared(options, "run-in-layers.sh", [base, changes, at, isRoot ? "" : ",userxattr"], command);
}

/** A command as the last arguments of one of hal's scripts, in new namespaces. */
function unshared(options: readonly string[], script: string, args: readonly string[], command: Command): Command {
  const unshare = ["unshare", ...options, "--mount", "--pid", "--fork", "--kill-child", "--"];
  const words = ["sh", shellScript(script), ...args, command.tool, ...command.args];
  return { ...command, tool: "setpriv", args: ["--pdeathsig", "KILL", ...unshare, ...words] };
}

/** A directory, and the path where a command sees it too (mount(8), --bind). */
export interface BindMount {
  readonly source: string;
  readonly target: string;
}

/**
 * The command in a new root, which contains this machine's root and the bind mounts. It ends when hal ends. It runs as
 * the same user, without privileges. Its System V IPC is separate too: fakeroot chooses its queues by time and process
 * id, and these can be equal in two namespaces.
 * @param root an empty directory, the mount point of the new root for this command alone
 */
export function withBindMounts(command: Command, mounts: readonly BindMount[], root: string): Command {
  const { cwd = "/", ...rest } = command;
  const user = isRoot ? [] : ["--map-current-user", "--keep-caps"];
  const drop = isRoot ? [] : ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"];
  const pairs = mounts.flatMap(({ target, source }) => [target, source]);
  return unshared([...user, "--ipc"], "run-in-own-root.sh", [root, cwd, ...pairs, "--", ...drop], rest);
}

/**
 * Makes the directories of layers and tries to mount them. Returns undefined if the kernel or the filesystem of
 * `changes` does not support overlayfs.
 */
export async function openLayers(layers: Layers, options: Pick<RunOptions, "log" | "signal"> = {}): Promise<Layers | undefined> {
  for (const name of ["base", "upper", "work"]) {
    await mkdir(join(layers.changes, name), { recursive: true });
    await chmod(join(layers.changes, name), 0o755); // the mode of `upper` becomes that of the tree's root
  }
  const { exitCode } = await runCommand(inNamespace({ tool: "true", args: [] }, layers), { ...options, allowFailure: true });
  return exitCode === 0 ? layers : undefined;
}

/** Removes a tree whose files may belong to other ids of the namespace. */
export async function removeTree(dir: string): Promise<void> {
  if (isRoot) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  else await runCommand(inNamespace({ tool: "rm", args: ["-rf", "--", dir] }));
}
