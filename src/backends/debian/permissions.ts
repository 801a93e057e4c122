import { HalError } from "../../lib/errors.js";
import { shellQuote } from "../../lib/tools.js";

/**
 * Commands that apply a Buildroot permission table (Buildroot manual, "Makedev syntax documentation") inside the image:
 * types f, d and r (recursive). Device nodes have no place in an image whose /dev the kernel fills.
 * @throws HalError "input" at the line that cannot be applied
 */
export function permissionCommands(table: string, file: string): readonly string[] {
  const commands: string[] = [];
  for (const [index, line] of table.split("\n").entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const [path = "", type = "", mode = "", uid = "", gid = ""] = line.trim().split(/\s+/);
    const known = /^\/[^\0]*$/.test(path) && !path.split("/").includes("..") && /^[fdr]$/.test(type) && /^([0-7]{3,5}|-1)$/.test(mode);
    if (!known || !/^[a-z0-9_-]+$/i.test(uid) || !/^[a-z0-9_-]+$/i.test(gid)) {
      throw new HalError("input", "not a line of a permission table that the debian backend can apply: PATH f|d|r MODE UID GID …", {
        at: { file, line: index + 1 },
      });
    }
    const quoted = shellQuote(path);
    const recursive = type === "r" ? "-R " : "";
    if (type === "d") commands.push(`mkdir -p ${quoted}`);
    commands.push(`chown ${recursive}-h ${uid}:${gid} ${quoted}`);
    // makedevs(1): -1 leaves the mode; a recursive mode is for what is not a directory tree's search bit
    if (mode !== "-1") commands.push(`chmod ${recursive}${mode} ${quoted}`);
  }
  return commands;
}
