import { lstat, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "./errors.js";
import { readRegular } from "./regular-file.js";

const partsOf = (path: string): readonly string[] => path.split("/").filter((name) => name !== "" && name !== ".");

/**
 * Refuses a path that leads out of a directory: through `..`, or through a link at any of its parts. hal reads, writes,
 * mounts and removes files there, and somebody else can have made the link or the path: a sandbox, or the author of a
 * repository. The directory itself may be a link, because the caller names it.
 * @param path relative; parts that do not exist are accepted
 * @param last whether the last part is checked; removing a link does not follow it
 * @throws HalError "input" at the first such part
 */
export async function refuseLinks(dir: string, path: string, { last = true }: { readonly last?: boolean } = {}): Promise<void> {
  const parts = partsOf(path);
  if (parts.includes("..")) throw new HalError("input", `the path ${path} leads out of this directory`, { at: { file: dir } });
  let file = dir;
  for (const part of last ? parts : parts.slice(0, -1)) {
    file = join(file, part);
    const info = await lstat(file).catch(() => undefined);
    if (info === undefined) return;
    if (info.isSymbolicLink())
      throw new HalError("input", "is a link, and hal does not follow it", { at: { file }, remedy: "remove the link" });
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

/**
 * Makes a directory below another one, if it does not exist.
 * @param path relative, see refuseLinks
 * @returns the path of the directory
 * @throws HalError "input" for a link at any part of the path
 */
export async function makeInside(dir: string, path: string): Promise<string> {
  await refuseLinks(dir, path);
  let made = dir;
  for (const part of partsOf(path)) {
    made = join(made, part);
    await mkdir(made).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  return made;
}

/**
 * Reads a file below a directory that a sandbox wrote to.
 * @param path relative, see refuseLinks
 * @param most bytes; a larger file is refused
 * @throws HalError "input" for a link at any part of the path, and for everything but a regular file
 */
export async function readInside(dir: string, path: string, most: number): Promise<string> {
  await refuseLinks(dir, path);
  return (await readRegular(join(dir, path), { follow: false, most })).toString("utf8");
}
