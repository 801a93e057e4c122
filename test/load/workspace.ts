import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

/** The files of a repository by path. The value `link:TARGET` makes a symbolic link, `dir:` an empty directory. */
export type Files = Readonly<Record<string, string>>;

const made: string[] = [];

/** Makes a temporary directory with these files; it is removed after the tests. */
export async function workspace(files: Files): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "hal-test-"));
  made.push(dir);
  for (const [path, content] of Object.entries(files)) {
    const file = join(dir, path);
    await mkdir(dirname(file), { recursive: true });
    if (content.startsWith("link:")) await symlink(content.slice(5), file);
    else if (content === "dir:") await mkdir(file, { recursive: true });
    else await writeFile(file, content);
  }
  return dir;
}

afterAll(async () => {
  for (const dir of made.splice(0)) await rm(dir, { recursive: true, force: true });
});

/** A small valid profile. `more` is YAML to append. */
export function profile(more = "", head = "layout: hardened\nplatform: none"): string {
  return `apiVersion: hal/v1\nkind: Profile\nname: p\ninit: systemd\n${head}\n${more}\n`;
}
