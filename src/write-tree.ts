import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Rendered, RenderedFile } from "./resolved.js";

/**
 * Makes a directory hold exactly the rendered files. What is already as it should be is not touched: make looks
 * at modification times, and a fragment that is merely newer would configure the kernel again.
 */
export async function writeTree(rendered: Rendered, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const wanted = new Set<string>();
  for (const { path } of rendered.files) {
    for (let here = path; here !== "."; here = dirname(here)) wanted.add(here);
  }
  for (const entry of await readdir(dir, { recursive: true })) {
    if (!wanted.has(entry)) await rm(join(dir, entry), { recursive: true, force: true });
  }
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

async function isWritten(file: RenderedFile, path: string): Promise<boolean> {
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
