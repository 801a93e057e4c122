import { chmod, lstat, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectory, refuseLink } from "../lib/paths.js";
import type { Rendered, TreeFile } from "../model/resolved.js";

/** The list of files that hal wrote into a tree. The next rendering removes those that it no longer has, and no others. */
const RECORD = ".hal-rendered";

/**
 * Writes rendered files into a directory. A file that is already right keeps its modification time: for a newer fragment,
 * make would configure the kernel again. Files that hal did not write stay.
 */
export async function writeTree(rendered: Pick<Rendered, "files">, dir: string): Promise<void> {
  await makeDirectory(dir);
  const wanted = new Set(rendered.files.map((file) => file.path));
  const before = await readFile(join(dir, RECORD), "utf8").catch(() => "");
  for (const path of before.split("\n")) {
    // hal writes no path that leads out of the tree.
    if (path === "" || wanted.has(path) || path.split("/").includes("..")) continue;
    await refuseLinkedParents(dir, path);
    await rm(join(dir, path), { force: true });
  }
  await rm(join(dir, RECORD), { force: true });
  await writeFile(join(dir, RECORD), [...wanted].map((path) => `${path}\n`).join(""), { flag: "wx" });
  for (const file of rendered.files) {
    const path = join(dir, file.path);
    await refuseLinkedParents(dir, file.path);
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

/** Refuses a symbolic link among the directories of the tree: it could lead to other people's files. */
async function refuseLinkedParents(dir: string, path: string): Promise<void> {
  const names = path.split("/").slice(0, -1);
  for (const index of names.keys()) await refuseLink(join(dir, ...names.slice(0, index + 1)));
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
