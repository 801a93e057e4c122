import { join } from "node:path";
import { inSandbox, type Sandbox } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import { type Command, cleanEnvironment } from "../../lib/tools.js";

/**
 * The command that copies an overlay over a root tree, with root as owner. Directories that it makes have mode 0755.
 * @param sandbox contains all three directories
 */
export function applyOverlay(overlay: string, targetDir: string, scratch: string, sandbox: Sandbox): Command {
  const args = [shellScript("debian/apply-overlay.sh"), overlay, targetDir, join(scratch, "overlay.tar")];
  return inSandbox({ tool: "sh", args, env: cleanEnvironment({ LC_ALL: "C" }) }, sandbox);
}
