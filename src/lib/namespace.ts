import { readFileSync } from "node:fs";
import { chmod, mkdir, rm } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { HalError } from "./errors.js";
import { shellScript } from "./paths.js";
import type { Command, RunOptions } from "./tools.js";
import { cleanEnvironment, requireTools, runCommand } from "./tools.js";

/** Another user becomes root in a new user namespace, with the ids of /etc/subuid and /etc/subgid. */
export const isRoot = process.getuid?.() === 0;

/** An overlayfs tree: `base` with a layer of changes above it. The changes do not modify `base`. */
export interface Layers {
  /** Never written. */
  readonly base: string;
  /** A directory on the filesystem of the build (openLayers). */
  readonly changes: string;
  /** The mount point of the whole tree. */
  readonly at: string;
}

/**
 * The command, run as root in a new mount and process namespace. All its processes end when hal ends, even after
 * `kill -9` (prctl(2), PR_SET_PDEATHSIG). The umask is always 022. The command sees the whole machine, so this is for
 * programs of the host that read nothing of a profile.
 */
export function inNamespace(command: Command): Command {
  return unshared(isRoot ? [] : ["--map-root-user", "--map-auto"], ["sh", shellScript("run.sh"), command.tool, ...command.args], command);
}

function unshared(options: readonly string[], words: readonly string[], command: Command): Command {
  const unshare = ["unshare", ...options, "--mount", "--pid", "--fork", "--kill-child", "--"];
  return { ...command, tool: "setpriv", args: ["--pdeathsig", "KILL", ...unshare, ...words] };
}

/** The tools that make a sandbox. */
const SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** A directory, and the path where a command sees it too (mount(8), --bind). */
export interface BindMount {
  readonly source: string;
  readonly target: string;
}

/** The parts of this machine that a command can use, besides the host's tools. */
export interface Sandbox {
  /**
   * `many`: the command is root of 65536 ids, and files of an image can belong to any of them. `one`: it is an ordinary
   * user without capabilities. Files that it makes belong to the caller.
   */
  readonly ids: "many" | "one";
  /** Directories that the command can read. */
  readonly read: readonly (string | BindMount)[];
  /** Directories that the command can write. With `many` ids, each of them is given to the command's root. */
  readonly write: readonly (string | BindMount)[];
  readonly layers?: Layers | undefined;
  /** The network of this machine; default none. */
  readonly network?: boolean;
}

/**
 * The command in a root of its own (pivot_root(2)), with user, mount, process, IPC, UTS and network namespaces. It sees
 * the host's tools, the directories of the sandbox, and an empty /tmp; no home directory, no socket and no other
 * process. All processes end when hal ends.
 *
 * unshare(1) makes the namespaces. bubblewrap(1) maps only one id, and an image has files of many.
 */
export function inSandbox(command: Command, { ids, read, write, layers, network = false }: Sandbox): Command {
  // The address of a proxy can contain a password.
  const { http_proxy, https_proxy, ...env } = command.env ?? cleanEnvironment();
  const proxies = network ? { ...(http_proxy && { http_proxy }), ...(https_proxy && { https_proxy }) } : {};
  const bind = (kind: string, mounts: Sandbox["read"]) =>
    mounts.map((mount) => ({ kind, ...(typeof mount === "string" ? { source: mount, target: mount } : mount) }));
  const mounts = [
    ...bind("ro", read),
    ...bind("rw", write),
    ...(layers === undefined ? [] : bind("overlay", [{ source: layers.base, target: layers.at }])),
  ].sort((a, b) => (a.target < b.target ? -1 : 1)); // a directory before the directories inside it
  for (const { source, target } of mounts) [source, target].forEach(requireNormalized);
  const words = [
    "sh",
    shellScript("run-in-sandbox.sh"),
    ids,
    String(ids === "many" ? firstId() : 0),
    network ? "host" : "none",
    command.cwd ?? "/",
    ...(layers === undefined ? [] : ["changes", layers.changes, "-"]),
    ...mounts.flatMap(({ kind, source, target }) => [kind, source, target]),
    "--",
    // The command's PATH can name directories that it wrote to in an earlier run. Nothing that still has privileges uses it.
    "env",
    `PATH=${env.PATH ?? ""}`,
    command.tool,
    ...command.args,
  ];
  const { cwd: _, ...rest } = command;
  const own = { ...rest, env: { ...env, ...proxies, PATH: SYSTEM_PATH } };
  return unshared(isRoot ? [] : ["--map-root-user", ...(ids === "many" ? ["--map-auto"] : [])], words, own);
}

/**
 * The root of the sandbox is mounted at /sys while run-in-sandbox.sh makes it. A path with `..` could lead out of it, or
 * to a directory that nobody judged.
 */
function requireNormalized(path: string): void {
  if (!isAbsolute(path) || resolve(path) !== path) throw new Error(`a path of a sandbox is not absolute and normalized: ${path}`);
}

/**
 * The first of the 65536 ids that a sandbox maps for the host's root. systemd and Debian leave them unused
 * (systemd.io, "Users, Groups, UIDs and GIDs on systemd Systems"). It is constant, because files of the cache belong to these ids.
 */
const UNUSED_IDS = 0x7000_0000;

/** UNUSED_IDS for the host's root. 0 for a caller who has no such ids: another user, or root of a container with few ids. */
function firstId(): number {
  const map = readFileSync("/proc/self/uid_map", "utf8").trim().split("\n");
  const has = map
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => first + count > UNUSED_IDS + 65536);
  return isRoot && has ? UNUSED_IDS : 0;
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
  const probe = inSandbox({ tool: "true", args: [] }, { ids: "many", read: [], write: [], layers });
  const { exitCode } = await runCommand(probe, { ...options, allowFailure: true });
  return exitCode === 0 ? layers : undefined;
}

/** Removes a tree whose files may belong to other ids of the namespace. */
export async function removeTree(dir: string): Promise<void> {
  if (isRoot) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  else await runCommand(inNamespace({ tool: "rm", args: ["-rf", "--", dir] }));
}

/**
 * Refuses a machine that cannot isolate a build. There is no build without isolation: a profile, and every package that
 * it names, can contain programs.
 * @throws HalError "tool" with the reason of the kernel, and what permits the namespaces
 */
export async function refuseWithoutSandbox(ids: Sandbox["ids"], signal?: AbortSignal): Promise<void> {
  await requireTools(["setpriv", "unshare", "setsid", ...(ids === "many" ? ["newuidmap"] : [])]);
  const why = await sandboxObjection(ids, signal);
  if (why === undefined) return;
  throw new HalError("tool", "this machine does not permit the namespaces that isolate a build", {
    details: [why],
    remedy: remedyFor(setting),
  });
}

/** The reason why this machine permits no sandbox; undefined when it does. */
export async function sandboxObjection(ids: Sandbox["ids"], signal?: AbortSignal): Promise<string | undefined> {
  const command = inSandbox({ tool: "true", args: [] }, { ids, read: [], write: [] });
  const { exitCode, stderr } = await runCommand(command, { allowFailure: true, group: true, ...(signal && { signal }) });
  return exitCode === 0 ? undefined : (stderr.trim().split("\n").at(-1) ?? "");
}

/** The value of a kernel setting; undefined where the kernel does not have it. */
function setting(path: string): string | undefined {
  try {
    return readFileSync(join("/proc/sys", path), "utf8").trim();
  } catch {
    return undefined;
  }
}

/** What permits namespaces, by the settings of the kernel (namespaces(7), user_namespaces(7)). */
export function remedyFor(value: (path: string) => string | undefined): string {
  if (value("user/max_user_namespaces") === "0") return "as root: sysctl user.max_user_namespaces=65536";
  if (!isRoot && value("kernel/unprivileged_userns_clone") === "0") return "as root: sysctl kernel.unprivileged_userns_clone=1";
  if (!isRoot && value("kernel/apparmor_restrict_unprivileged_userns") === "1")
    return "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0; or build as root";
  return "in a container: docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined (docs/isolation.md)";
}
