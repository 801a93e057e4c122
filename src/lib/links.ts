import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "./errors.js";

/**
 * Refuses a path that leads out of a directory: through `..`, or through a link at any of its parts. hal writes and
 * removes files there, and somebody else can have made the link or the path. The directory itself may be a link, because
 * the caller names it.
 * @param path relative; parts that do not exist are accepted
 * @param last whether the last part is checked; removing a link does not follow it
 * @throws HalError "input" at the first such part
 */
export async function refuseLinks(dir: string, path: string, { last = true }: { readonly last?: boolean } = {}): Promise<void> {
  const parts = path.split("/").filter((name) => name !== "" && name !== ".");
  if (parts.includes("..")) throw new HalError("input", `the path ${path} leads out of this directory`, { at: { file: dir } });
  let file = dir;
  for (const part of last ? parts : parts.slice(0, -1)) {
    file = join(file, part);
    const info = await lstat(file).catch(() => undefined);
    if (info === undefined) return;
    if (info.isSymbolicLink())
      throw new HalError("input", "is a link, and hal writes no file through it", { at: { file }, remedy: "remove the link" });
  }
}

/**
 * Refuses a symbolic link where hal makes a directory of its own: it could lead to other people's files.
 * @throws HalError "input"
 */
export async function refuseLink(path: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined))?.isSymbolicLink())
    throw new HalError("input", "is a symbolic link, and hal does not follow it", { at: { file: path }, remedy: "remove it" });
}
