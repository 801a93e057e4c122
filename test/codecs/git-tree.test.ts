import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { gitTreeId } from "../../src/codecs/git-tree.js";

test("the identifier of a directory is that of git", async () => {
  const dir = await mkdtemp(join(tmpdir(), "hal-git-tree-"));
  try {
    const tree = join(dir, "tree");
    // A directory is sorted with a slash: `a.b`, `a/`, `a0`.
    for (const name of ["a", "empty/empty", "ü"]) await mkdir(join(tree, name), { recursive: true });
    for (const name of ["a.b", "a/file", "a0", "Z", "ü/.hidden", "program"]) await writeFile(join(tree, name), `${name}\r\n`);
    await chmod(join(tree, "program"), 0o755);
    await symlink("a/file", join(tree, "link"));
    const options = ["--git-dir", join(dir, "git"), "--work-tree", tree];
    const git = (...args: string[]) => execFileSync("git", [...options, ...args], { cwd: tree, encoding: "utf8" });
    git("init", "--quiet");
    git("add", "--all", "--force");
    expect(await gitTreeId(tree)).toBe(git("write-tree").trim());
    execFileSync("mkfifo", [join(tree, "pipe")]);
    expect(await gitTreeId(tree)).toBeUndefined();
  } finally {
    await rm(dir, { recursive: true });
  }
});
