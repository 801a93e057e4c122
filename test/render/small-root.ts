import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterAll } from "vitest";
import type { Rendered } from "../../src/model/resolved.js";
import { writeTree } from "../../src/render/write-tree.js";

const made: string[] = [];
afterAll(async () => {
  for (const dir of made.splice(0)) await rm(dir, { recursive: true, force: true });
});

/**
 * A root tree of directories, an overlay and units, without any program.
 * @param units the [Install] section of each unit that a package of the root installs, by file name
 * @returns the root, and the board directory with the scripts
 */
export async function smallRoot(rendered: Rendered, units: Readonly<Record<string, string>>): Promise<{ root: string; board: string }> {
  const dir = await mkdtemp(join(tmpdir(), "hal-root-"));
  made.push(dir);
  await writeTree(rendered, join(dir, "tree"));
  const [root, board] = [join(dir, "root"), join(dir, "tree/board/hal")];
  const directories = "etc sbin tmp run usr/bin usr/lib/systemd/system var/log var/cache var/tmp var/lib/dbus";
  for (const directory of directories.split(" ")) await mkdir(join(root, directory), { recursive: true });
  await symlink("usr/bin", join(root, "bin"));
  await execa("cp", ["-a", `${board}/overlay/.`, root]);
  await writeFile(join(root, "etc/shadow"), "root::1::::::\n");
  for (const [name, install] of Object.entries(units)) {
    const path = join(root, "usr/lib/systemd/system", name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `[Unit]\nDescription=${name}\n\n[Install]\n${install}\n`);
  }
  return { root, board };
}

/** Every link under a directory, with its target. */
export async function links(directory: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isSymbolicLink()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(paths.sort().map(async (path) => [path.slice(directory.length + 1), await readlink(path)] as const)),
  );
}
