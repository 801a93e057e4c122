import { rm } from "node:fs/promises";
import type { Command } from "../../tools.js";
import { runCommand } from "../../tools.js";

/** For root no user namespace is needed; a user becomes root of one and gets the ids of /etc/subuid and /etc/subgid. */
export const isRoot = process.getuid?.() === 0;

/**
 * The command, run as root of a mount and process namespace of its own: what it mounts is gone when it ends,
 * and everything in it dies with hal, however hal dies (prctl(2), PR_SET_PDEATHSIG). The umask is fixed.
 */
export function inNamespace(command: Command): Command {
  const mapping = isRoot ? [] : ["--map-root-user", "--map-auto"];
  const unshare = ["unshare", ...mapping, "--mount", "--pid", "--fork", "--kill-child", "--"];
  return {
    ...command,
    tool: "setpriv",
    args: ["--pdeathsig", "KILL", ...unshare, "sh", "-c", 'umask 022; exec "$@"', "sh", command.tool, ...command.args],
  };
}

/** Removes a tree of which some files may belong to other ids of the namespace. */
export async function removeTree(dir: string): Promise<void> {
  if (isRoot) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  else await runCommand(inNamespace({ tool: "rm", args: ["-rf", "--", dir] }));
}
