import { join, relative } from "node:path";
import { runCommand } from "../../lib/tools.js";

/**
 * Files of the image that name Buildroot's output directory, in a run path or in a text: a run path is looked up
 * in the guest, and a directory of this machine's would give other bytes than one elsewhere.
 * @param output Buildroot's `O=`
 * @param seen where make saw it
 * @returns paths in the image, sorted
 */
export async function filesNamingBuild(output: string, seen: string): Promise<readonly string[]> {
  const target = join(output, "target");
  // grep ends with 1 where nothing is found.
  const { stdout } = await runCommand({ tool: "grep", args: ["-rlF", "-e", output, "-e", seen, "--", target] }, { allowFailure: true });
  const files = stdout.split("\n").filter((path) => path !== "");
  return files.map((path) => `/${relative(target, path)}`).sort();
}
