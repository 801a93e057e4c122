import { HalError } from "../../lib/errors.js";
import { shellQuote } from "../../lib/tools.js";

/**
 * Shell commands that apply a Buildroot permission table (Buildroot manual, "Makedev syntax documentation") inside the image. Supports the types
 * f, d and r (recursive), but no device nodes: the kernel creates those in /dev.
 * @param file its path, for errors
 * @throws HalError "input" at a line with invalid or unsupported fields
 */
export function permissionCommands(table: string, file: string): readonly string[] {
  const commands: string[] = [];
  for (const [index, line] of table.split("\n").entries()) {
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const [path = "", type = "", mode = "", uid = "", gid = ""] = line.trim().split(/\s+/);
    const known = /^\/[^\0]*$/.test(path) && !path.split("/").includes("..") && /^[fdr]$/.test(type) && /^([0-7]{3,5}|-1)$/.test(mode);
    if (!known || !/^[a-z0-9_-]+$/i.test(uid) || !/^[a-z0-9_-]+$/i.test(gid)) {
      throw new HalError("input", "the debian backend supports only lines PATH f|d|r MODE UID GID … in a permission table", {
        at: { file, line: index + 1 },
      });
    }
    const quoted = shellQuote(path);
    const recursive = type === "r" ? "-R " : "";
    if (type === "d") commands.push(`mkdir -p ${quoted}`);
    commands.push(`chown ${recursive}-h ${uid}:${gid} ${quoted}`);
    // Mode -1 means: do not change the mode.
    if (mode !== "-1") commands.push(`chmod ${recursive}${mode} ${quoted}`);
  }
  return commands;
}
