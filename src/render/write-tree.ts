import { chmod, lstat, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { refuseLinks } from "../lib/links.js";
import { makeDirectory } from "../lib/paths.js";
import type { Rendered, TreeFile } from "../model/resolved.js";

/** The list of files that hal wrote into a tree. The next rendering removes those that it no longer has, and no others. */
const RECORD = ".hal-rendered";

/**
 * Writes rendered files into a directory. A file that is already right keeps its modification time: for a newer fragment,
 * make would configure the kernel again. Files that hal did not write stay.
 * @throws HalError "input" for a directory of the tree that is a link
 */
export async function writeTree(rendered: Pick<Rendered, "files">, dir: string): Promise<void> {
  await makeDirectory(dir);
  const wanted = new Set(rendered.files.map((file) => file.path));
  const before = await readFile(join(dir, RECORD), "utf8").catch(() => "");
  for (const path of before.split("\n")) {
    if (path === "" || wanted.has(path)) continue;
    await refuseLinks(dir, path, { last: false });
    await rm(join(dir, path), { force: true });
  }
  for (const directory of new Set(rendered.files.map((file) => dirname(file.path)))) await refuseLinks(dir, directory);
  await rm(join(dir, RECORD), { force: true }); // it can be a link
  await writeFile(join(dir, RECORD), [...wanted].map((path) => `${path}\n`).join(""), { flag: "wx" });
  for (const file of rendered.files) {
    const path = join(dir, file.path);
    if (await isWritten(file, path)) continue;
    await rm(path, { recursive: true, force: true });
    await mkdir(dirname(path), { recursive: true });
    if (file.link !== undefined) await symlink(file.link, path);
    else {
      await writeFile(path, file.content);
      await chmod(path, file.mode); // writeFile's own mode is subject to the umask
    }
  }
}

async function isWritten(file: TreeFile, path: string): Promise<boolean> {
  const info = await lstat(path).catch(() => undefined);
  if (info === undefined) return false;
  if (file.link !== undefined) return info.isSymbolicLink() && (await readlink(path)) === file.link;
  return (
    info.isFile() &&
    (info.mode & 0o7777) === file.mode &&
    info.size === file.content.length &&
    Buffer.compare(await readFile(path), file.content) === 0
  );
}
