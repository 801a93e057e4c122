import { chmod, lutimes, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Rendered } from "./resolved.js";

/** Writes rendered files into a directory of their own and puts it in the place of `dir` at the end. */
export async function writeTree(rendered: Rendered, dir: string): Promise<void> {
  const fresh = `${dir.replace(/\/+$/, "")}.new`;
  const old = `${dir.replace(/\/+$/, "")}.old`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  const made = new Set<string>();
  for (const file of rendered.files) {
    const path = join(fresh, file.path);
    const parent = dirname(path);
    if (!made.has(parent)) {
      await mkdir(parent, { recursive: true });
      made.add(parent);
    }
    if (file.link === undefined) {
      await writeFile(path, file.content);
      await chmod(path, file.mode); // writeFile's own mode is subject to the umask
    } else {
      await symlink(file.link, path);
      await lutimes(path, 0, 0);
    }
  }
  await rm(old, { recursive: true, force: true });
  await rename(dir, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  await rename(fresh, dir);
  await rm(old, { recursive: true, force: true });
}
