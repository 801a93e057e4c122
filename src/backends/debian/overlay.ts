import { join } from "node:path";
import { inNamespace, type Layers } from "../../lib/namespace.js";
import { type Command, cleanEnvironment } from "../../lib/tools.js";

/**
 * Files and links only: the tree's directories, and its links to directories, stay what they are. Unpacked by the
 * tree's own tar inside the tree, where an absolute link leads to the tree's own files and never to the host's.
 */
const OVERLAY = `cd "$1"
find . ! -type d -print0 | LC_ALL=C sort -z > "$3.list"
tar --create --file "$3" --null --no-recursion --files-from "$3.list" --owner=0 --group=0 --numeric-owner
chroot "$2" tar -x -p -f - < "$3"`;

/** The command that copies an overlay, as root's, over a root tree; directories that it makes have mode 0755. */
export function applyOverlay(overlay: string, targetDir: string, scratch: string, layers?: Layers): Command {
  const env = cleanEnvironment({ LC_ALL: "C" });
  return inNamespace({ tool: "sh", args: ["-euc", OVERLAY, "sh", overlay, targetDir, join(scratch, "overlay.tar")], env }, layers);
}
