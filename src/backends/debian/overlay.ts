import { join } from "node:path";
import { inNamespace, type Layers } from "../../lib/namespace.js";
import { type Command, cleanEnvironment } from "../../lib/tools.js";

/**
 * Copies files and links, but no directories: directories of the tree, and links to directories, keep their type and mode. The tar of the
 * tree unpacks them inside a chroot, so that an absolute link cannot lead to a file of the host.
 */
const OVERLAY = `cd "$1"
find . ! -type d -print0 | LC_ALL=C sort -z > "$3.list"
tar --create --file "$3" --null --no-recursion --files-from "$3.list" --owner=0 --group=0 --numeric-owner
chroot "$2" tar -x -p -f - < "$3"`;

/** The command that copies an overlay to a root tree, owned by root. It creates missing directories with mode 0755. */
export function applyOverlay(overlay: string, targetDir: string, scratch: string, layers?: Layers): Command {
  const env = cleanEnvironment({ LC_ALL: "C" });
  return inNamespace({ tool: "sh", args: ["-euc", OVERLAY, "sh", overlay, targetDir, join(scratch, "overlay.tar")], env }, layers);
}
