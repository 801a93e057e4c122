import { join, relative } from "node:path";
import { runCommand } from "../../lib/tools.js";

/**
 * Finds files of the image that contain the path of Buildroot's output directory. Used as a run path, this path
 * does not exist in the guest. Files that contain it differ between machines.
 * @param buildrootOutput Buildroot's `O=`
 * @param seen the same directory as make saw it
 * @returns paths in the image, sorted
 */
export async function filesNamingBuild(buildrootOutput: string, seen: string): Promise<readonly string[]> {
  const target = join(buildrootOutput, "target");
  // grep exits with 1 when it finds nothing.
  const grep = { tool: "grep", args: ["-rlF", "-e", buildrootOutput, "-e", seen, "--", target] };
  const { stdout } = await runCommand(grep, { allowFailure: true });
  const files = stdout.split("\n").filter((path) => path !== "");
  return files.map((path) => `/${relative(target, path)}`).sort();
}
