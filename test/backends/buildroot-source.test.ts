import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, chmod, mkdir, mkdtemp, rename, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { buildrootTree, cachedTree } from "../../src/backends/buildroot/source.js";
import type { Resolved } from "../../src/model/resolved.js";
import { resolve } from "../../src/resolve/resolve.js";

let cache = "";
let tree = "";
let resolved: Resolved;

/** A release in the cache, as hal clones it. */
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "hal-source-"));
  vi.stubEnv("HAL_CACHE", cache);
  const made = join(cache, "made");
  await mkdir(join(made, "package"), { recursive: true });
  const { version } = (await resolve("dev")).profile.buildroot;
  await writeFile(join(made, "Makefile"), `export BR2_VERSION := ${version}\n`);
  await writeFile(join(made, "package/zlib.mk"), "ZLIB_VERSION = 1\n");
  await writeFile(join(made, ".gitignore"), "*.pyc\n");
  const user = ["-c", "user.name=t", "-c", "user.email=t@t.test"];
  const git = (...args: string[]) => execFileSync("git", ["-C", made, ...user, ...args], { encoding: "utf8" });
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "-m", "release");
  resolved = await resolve("dev", { set: [`buildroot.commit=${git("rev-parse", "HEAD").trim()}`] });
  tree = cachedTree(resolved);
  await mkdir(join(tree, ".."), { recursive: true });
  await writeFile(`${tree}.commit`, git("cat-file", "commit", "HEAD"));
  await rename(join(made, ".git"), join(cache, "git"));
  execFileSync("mv", [made, tree]);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true });
});

const use = () => buildrootTree(resolved, { offline: true, signal: new AbortController().signal });

describe("a Buildroot release in the cache", () => {
  test("is used while it is the pinned commit", async () => {
    await mkdir(join(tree, "package/empty"));
    expect(await use()).toMatchObject({ dir: tree });
  });

  test.each<[what: string, damage: () => Promise<unknown>]>([
    [
      "a changed file with the old size and time",
      async () => {
        const file = join(tree, "package/zlib.mk");
        const { atime, mtime } = await stat(file);
        await writeFile(file, "ZLIB_VERSION = 2\n");
        await utimes(file, atime, mtime);
      },
    ],
    ["a file that git ignores", () => writeFile(join(tree, "package/cached.pyc"), "")],
    ["another mode", () => chmod(join(tree, "package/zlib.mk"), 0o755)],
    ["a link to a copy", () => rename(tree, `${tree}.moved`).then(() => symlink(`${tree}.moved`, tree))],
    ["one more file", () => writeFile(join(tree, "package/local.mk"), "")],
    ["one file less", () => rm(join(tree, "package/zlib.mk"))],
    ["no commit", () => rm(`${tree}.commit`)],
    ["another commit", () => writeFile(`${tree}.commit`, "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n")],
  ])("is refused with %s", async (_, damage) => {
    await damage();
    await expect(use()).rejects.toMatchObject({ kind: "check", at: { file: tree } });
  });

  test("with a repository runs no program of its configuration", async () => {
    await rename(join(cache, "git"), join(tree, ".git"));
    const proof = join(cache, "ran");
    await appendFile(join(tree, ".git/config"), `[filter "x"]\n\tclean = touch ${proof}\n\tprocess = touch ${proof}\n`);
    await mkdir(join(tree, ".git/info"), { recursive: true });
    await writeFile(join(tree, ".git/info/attributes"), "* filter=x\n");
    await expect(use()).rejects.toMatchObject({ kind: "check", at: { file: tree } });
    expect(existsSync(proof)).toBe(false);
  });
});
