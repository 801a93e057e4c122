import { join } from "node:path";
import { inNamespace, type Layers } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import { type Command, cleanEnvironment } from "../../lib/tools.js";

/** The command that copies an overlay over a root tree, with root as owner. Directories that it makes have mode 0755. */
export function applyOverlay(overlay: string, targetDir: string, scratch: string, layers?: Layers): Command {
  const args = [shellScript("debian/apply-overlay.sh"), overlay, targetDir, join(scratch, "overlay.tar")];
  return inNamespace({ tool: "sh", args, env: cleanEnvironment({ LC_ALL: "C" }) }, layers);
}
