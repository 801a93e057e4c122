import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "./errors.js";

/**
 * Refuses a link at any part of a path below a directory. hal writes and removes files there, and somebody else can have
 * made the link: it must not lead to a file outside. The directory itself may be a link, because the caller names it.
 * @param path relative; parts that do not exist are accepted
 * @throws HalError "input" at the first link
 */
export async function refuseLinks(dir: string, path: string): Promise<void> {
  let file = dir;
  for (const part of path.split("/").filter((name) => name !== "" && name !== ".")) {
    file = join(file, part);
    const info = await lstat(file).catch(() => undefined);
    if (info === undefined) return;
    if (info.isSymbolicLink())
      throw new HalError("input", "is a link, and hal writes no file through it", { at: { file }, remedy: "remove the link" });
  }
}
