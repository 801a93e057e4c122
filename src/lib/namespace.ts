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
  const mounts = layers === undefined ? [] : [layers.base, layers.changes, layers.at];
  const script = `${layers === undefined ? "" : `${MOUNT_LAYERS}\n`}exec "$@"`;
  return unshared(isRoot ? [] : ["--map-root-user", "--map-auto"], script, [...mounts, command.tool, ...command.args], command);
}

/** `script` in new namespaces, with `args` as its own. */
function unshared(options: readonly string[], script: string, args: readonly string[], command: Command): Command {
  const unshare = ["unshare", ...options, "--mount", "--pid", "--fork", "--kill-child", "--"];
  return { ...command, tool: "setpriv", args: ["--pdeathsig", "KILL", ...unshare, "sh", "-euc", `umask 022\n${script}`, "sh", ...args] };
}

/** A directory, and where a command sees it too (mount(8), --bind). */
export interface BindMount {
  readonly source: string;
  readonly target: string;
}

/**
 * A root with everything that this machine's has and the bind mounts besides, on a filesystem in memory: no mount
 * point need exist here. What it holds is bound with all that is mounted in it. Process 1 stays this shell: make
 * would not die there of the signal that it ends itself with after an interrupt.
 */
const OWN_ROOT = `root=$1
directory=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$root"
mount --make-unbindable "$root"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --rbind "$2" "$root$1"
  shift 2
done
shift
for entry in /* /.[!.]*; do
  if [ -e "$root$entry" ]; then continue; fi
  if [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
  elif [ -d "$entry" ]; then
    mkdir "$root$entry"
    mount --rbind "$entry" "$root$entry"
  elif [ -f "$entry" ]; then
    : > "$root$entry"
    mount --bind "$entry" "$root$entry"
  fi
done
mkdir "$root/.outside"
pivot_root "$root" "$root/.outside"
cd "$directory"
unset OLDPWD
umount --lazy /.outside
rmdir /.outside
mount -t proc proc /proc 2>/dev/null || : # where a container hides parts of its own: that one stays
status=0
"$@" || status=$?
exit "$status"`;

/**
 * The command with bind mounts of its own beside everything else of this machine; it dies with hal. A user stays
 * that user, without privileges. System V IPC is its own too: fakeroot chooses its queues by time and process
 * id, which two namespaces can have in common.
 * @param root an empty directory that the new root is mounted on, for this command alone
 */
export function withBindMounts(command: Command, mounts: readonly BindMount[], root: string): Command {
  const { cwd = "/", ...rest } = command;
  const own = isRoot ? [] : ["--map-current-user", "--keep-caps"];
  const drop = isRoot ? [] : ["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"];
  const pairs = mounts.flatMap(({ target, source }) => [target, source]);
  return unshared([...own, "--ipc"], OWN_ROOT, [root, cwd, ...pairs, "--", ...drop, command.tool, ...command.args], rest);
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
