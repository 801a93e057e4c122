import { createHash } from "node:crypto";
import { inNamespace } from "../../lib/namespace.js";
import { cleanEnvironment, runCommand } from "../../lib/tools.js";

/** All entries in the order of their names, with everything that reaches an image; without the times that reading and renaming change. */
const options = [
  "--sort=name",
  "--format=posix",
  "--pax-option=delete=atime,delete=ctime",
  "--numeric-owner",
  "--xattrs",
  "--xattrs-include=*",
];

/**
 * SHA-256 of a directory tree: of a tar archive (POSIX.1-2001, pax) of it, which contains the path, type, mode, owner, modification time,
 * link target, extended attributes and bytes of each entry. It runs as root of a namespace, because other ids own files of the tree.
 * @returns undefined if the tree does not exist or cannot be read
 */
export async function treeDigest(dir: string, signal?: AbortSignal): Promise<string | undefined> {
  const hash = createHash("sha256");
  const command = inNamespace({
    tool: "tar",
    args: [...options, "--directory", dir, "--create", "."],
    env: cleanEnvironment({ LC_ALL: "C" }),
  });
  const { exitCode } = await runCommand(command, {
    onData: (chunk) => hash.update(chunk),
    allowFailure: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return exitCode === 0 ? hash.digest("hex") : undefined;
}
