import { lstatSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { otherType, readRegular } from "../lib/regular-file.js";

/**
 * Opening files of an image directory. Somebody else may have made the directory, so a file in it is opened only by a plain name, and only
 * if it is a regular file: never through a link, which could lead to a file of the host. The directory itself may be reached through links
 * of the caller.
 */

/** The path of a file. @throws HalError "input" for a name that is not plain */
function pathOf(dir: string, name: string): string {
  if (/[/\0]/.test(name) || ["", ".", ".."].includes(name))
    throw new HalError("input", `${JSON.stringify(name)} is not the name of a file in this directory`, { at: { file: dir } });
  return join(dir, name);
}

/**
 * Reads a file of an image directory.
 * @param most bytes; a larger file is refused before anything is read
 * @throws HalError "input" for a name that is not plain, a file that does not exist, a link, and every other type of file
 */
export function readImageFile(dir: string, name: string, most: number): Promise<Buffer> {
  return readRegular(pathOf(dir, name), { follow: false, most });
}

/**
 * The absolute path of a file of an image directory, for a program that opens the file itself, such as QEMU. The check comes directly before
 * the use. It does not cover a change between the two: who can write to the directory then is the caller, or trusted by him.
 * @throws HalError "input" as `readImageFile`
 */
export function imageFile(dir: string, name: string): string {
  const path = resolve(pathOf(dir, name));
  const info = lstatSync(path, { throwIfNoEntry: false });
  const why = info === undefined ? "does not exist" : otherType(info);
  if (why === undefined) return path;
  const remedy = info === undefined ? "build the image again" : "an image directory contains only regular files";
  throw new HalError("input", why, { at: { file: path }, remedy });
}

/** The entries of a directory that are no regular files, sorted, each with its type: `is a symbolic link`. */
export async function irregularFiles(dir: string): Promise<{ readonly name: string; readonly why: string }[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries
    .flatMap((entry) => {
      const why = otherType(entry);
      return why === undefined ? [] : [{ name: entry.name, why }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
