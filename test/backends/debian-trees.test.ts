import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cacheAt, entry, sweep } from "../../src/backends/debian/cache.js";
import { applyOverlay } from "../../src/backends/debian/overlay.js";
import { inNamespace, openLayers } from "../../src/lib/namespace.js";
import { findTool, runCommand } from "../../src/lib/tools.js";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-debian-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A root tree with a tar (Debian's busybox-static) and Debian's links. */
async function smallRoot(): Promise<string> {
  const root = join(dir, "root");
  for (const part of ["usr/bin", "etc", "data"]) await mkdir(join(root, part), { recursive: true });
  await symlink("usr/bin", join(root, "bin"));
  await copyFile((await findTool("busybox")) ?? "busybox", join(root, "bin/busybox"));
  await symlink("busybox", join(root, "bin/tar"));
  return root;
}

async function overlay(files: Readonly<Record<string, string>>): Promise<string> {
  const tree = join(dir, "overlay");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(tree, path, ".."), { recursive: true });
    await writeFile(join(tree, path), text);
    await chmod(join(tree, path), 0o640);
  }
  return tree;
}

describe("overlay", () => {
  it("follows the tree's links inside the tree, never to the host", async () => {
    const root = await smallRoot();
    const host = join(dir, "host");
    await mkdir(host);
    await symlink(host, join(root, "etc/escape"));
    await mkdir(join(root, host), { recursive: true });
    await symlink("/data", join(root, "etc/absolute"));
    await runCommand(applyOverlay(await overlay({ "etc/escape/a": "a", "etc/absolute/b": "b", "bin/tool": "c" }), root, dir));
    expect(await readdir(host)).toEqual([]);
    expect(await readFile(join(root, host, "a"), "utf8")).toBe("a");
    expect(await readFile(join(root, "data/b"), "utf8")).toBe("b");
    expect(await readFile(join(root, "usr/bin/tool"), "utf8")).toBe("c");
    expect(await readlink(join(root, "bin"))).toBe("usr/bin");
  });
  it("keeps modes, and gives new directories one whatever the umask", async () => {
    const root = await smallRoot();
    const before = process.umask(0o077);
    try {
      await runCommand(applyOverlay(await overlay({ "etc/new/file": "x" }), root, dir));
    } finally {
      process.umask(before);
    }
    expect((await stat(join(root, "etc/new"))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(root, "etc/new/file"))).mode & 0o7777).toBe(0o640);
  });
});

describe("namespace", () => {
  it("ends with the process that started it", async () => {
    const mark = join(dir, "mark");
    const command = inNamespace({ tool: "sh", args: ["-c", `sleep 1; echo alive > ${mark}`] });
    // The outer shell plays hal: it is killed with SIGKILL while its command runs.
    const outer = `"$@" & sleep 0.3; kill -9 $$`;
    await runCommand({ tool: "sh", args: ["-c", outer, "sh", command.tool, ...command.args] }, { allowFailure: true });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(existsSync(mark)).toBe(false);
  });
  it("runs as root with a private mount table", async () => {
    const { stdout } = await runCommand(
      inNamespace({ tool: "sh", args: ["-c", `id -u; mount -t tmpfs none ${dir} && touch ${dir}/inside`] }),
    );
    expect(stdout.trim()).toBe("0");
    expect(existsSync(join(dir, "inside"))).toBe(false);
  });
});

describe("layers", () => {
  it("show one tree, and changes do not reach the lower one", async ({ skip }) => {
    const [base, at] = [join(dir, "base, a:b"), join(dir, "at, c:d")];
    for (const path of [base, at]) await mkdir(path);
    for (const name of ["changed", "removed", "kept"]) await writeFile(join(base, name), name);
    const layers = await openLayers({ base, changes: join(dir, "changes, e:f"), at });
    if (layers === undefined) skip("there is no overlayfs here: builds copy the root tree");
    const script = 'cd "$1"; echo new >> changed; rm removed; echo more > added; cat changed; ls';
    const { stdout } = await runCommand(inNamespace({ tool: "sh", args: ["-euc", script, "sh", at] }, layers));
    expect(stdout).toBe("changednew\nadded\nchanged\nkept\n");
    expect(await readdir(base)).toEqual(["changed", "kept", "removed"]);
    expect(await readFile(join(base, "changed"), "utf8")).toBe("changed");
    expect(await readdir(at)).toEqual([]);
  });
});

describe("cache", () => {
  it("makes an entry once, also when two builds make it at the same time", async () => {
    const cache = cacheAt(dir);
    let made = 0;
    const make = async (fresh: string): Promise<void> => {
      made += 1;
      await mkdir(fresh);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await writeFile(join(fresh, "file"), "whole");
    };
    const path = join(cache.tools, "key");
    await Promise.all([entry(cache, path, make), entry(cache, path, make)]);
    await entry(cache, path, make);
    expect(made).toBe(2);
    expect(await readFile(join(path, "file"), "utf8")).toBe("whole");
    expect(await readdir(cache.tmp)).toEqual([]);
  });
  it("has no entry after a failure", async () => {
    const cache = cacheAt(dir);
    const path = join(cache.root, "key");
    await expect(
      entry(cache, path, async (fresh) => void (await writeFile(fresh, "half").then(() => Promise.reject(new Error("stop"))))),
    ).rejects.toThrow("stop");
    expect(existsSync(path)).toBe(false);
    expect(await readdir(cache.tmp)).toEqual([]);
  });
  it("removes directories of killed builds, and none of a running build", async () => {
    const cache = cacheAt(dir);
    const start = (await readFile("/proc/self/stat", "utf8")).split(") ")[1]?.split(" ")[19];
    const here = (await readlink("/proc/self/ns/pid")).replace(/\D/g, "");
    const [running, elsewhere, old] = [`${here}.${process.pid}.${start}.abcdef`, "1.2.3.abcdef", "1.2.4.abcdef"];
    for (const name of [`${here}.4194305.1.abcdef`, `${here}.${process.pid}.1.abcdef`, running, elsewhere, old])
      await mkdir(join(cache.tmp, name), { recursive: true });
    await utimes(join(cache.tmp, old), 0, 0);
    await sweep(cache);
    expect((await readdir(cache.tmp)).sort()).toEqual([elsewhere, running].sort());
  });
});
