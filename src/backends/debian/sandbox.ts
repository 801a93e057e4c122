import type { Sandbox } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import type { Prepared } from "../backend.js";

type Dirs = Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir" | "layers">;

/**
 * The sandbox of a command that works on TARGET_DIR. From the first file of an overlay on, the tree can contain anything.
 * @param read further directories that the command reads
 * @param own further directories that the command writes
 */
export function targetSandbox(
  { targetDir, binariesDir, hostDir, buildDir, layers }: Dirs,
  read: readonly string[],
  own: readonly string[] = [],
): Sandbox {
  const write = [binariesDir, buildDir, ...own, ...(layers === undefined ? [targetDir] : [])];
  return { ids: "many", read: [shellScript("debian"), hostDir, ...read], write, layers };
}
