import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cacheAt, entry, sweep } from "../../src/backends/debian/cache.js";
import { applyOverlay } from "../../src/backends/debian/overlay.js";
import { wrapper } from "../../src/backends/debian/tools-tree.js";
import { inNamespace, inSandbox, openLayers, type Sandbox } from "../../src/lib/namespace.js";
import { shellScript } from "../../src/lib/paths.js";
import { findTool, runCommand } from "../../src/lib/tools.js";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-debian-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const sandbox = (): Sandbox => ({ ids: "many", read: [shellScript("debian")], write: [dir] });

/** A root tree with a tar (Debian's busybox-static) and Debian's links. Its files belong to the sandbox's root. */
async function smallRoot(more: (seed: string) => Promise<void> = async () => {}): Promise<string> {
  const root = join(dir, "seed");
  for (const part of ["usr/bin", "etc", "data"]) await mkdir(join(root, part), { recursive: true });
  await symlink("usr/bin", join(root, "bin"));
  await copyFile((await findTool("busybox")) ?? "busybox", join(root, "bin/busybox"));
  await symlink("busybox", join(root, "bin/tar"));
  await more(root);
  await runCommand(inSandbox({ tool: "cp", args: ["-a", "--no-preserve=ownership", root, join(dir, "root")] }, sandbox()));
  return join(dir, "root");
}

async function overlay(files: Readonly<Record<string, string>>): Promise<string> {
  const tree = join(dir, "overlay");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(tree, path, ".."), { recursive: true });
    await writeFile(join(tree, path), text);
    await chmod(join(tree, path), 0o604);
  }
  return tree;
}

describe("overlay", () => {
  it("follows the tree's links inside the tree, never to the host", async () => {
    const host = join(dir, "host");
    await mkdir(host);
    const root = await smallRoot(async (seed) => {
      await symlink(host, join(seed, "etc/escape"));
      await mkdir(join(seed, host), { recursive: true });
      await symlink("/data", join(seed, "etc/absolute"));
    });
    await runCommand(applyOverlay(await overlay({ "etc/escape/a": "a", "etc/absolute/b": "b", "bin/tool": "c" }), root, dir, sandbox()));
    expect(await readdir(host)).toEqual([]);
    expect(await readFile(join(root, host, "a"), "utf8")).toBe("a");
    expect(await readFile(join(root, "data/b"), "utf8")).toBe("b");
    expect(await readFile(join(root, "usr/bin/tool"), "utf8")).toBe("c");
    expect(await readlink(join(root, "bin"))).toBe("usr/bin");
  });
  it("keeps modes, and gives new directories one whatever the umask", async () => {
    const root = await smallRoot();
    const tree = await overlay({ "etc/new/file": "x" });
    const before = process.umask(0o077);
    try {
      await runCommand(applyOverlay(tree, root, dir, sandbox()));
    } finally {
      process.umask(before);
    }
    expect((await stat(join(root, "etc/new"))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(root, "etc/new/file"))).mode & 0o7777).toBe(0o604);
  });
});

describe("permissions", () => {
  it("are set without the tree's programs, the owner first, and paths are no shell words", async () => {
    const root = await smallRoot(async (seed) => {
      const hostile = '#!/bin/busybox sh\necho "$0" >>/data/ran\n';
      for (const tool of ["chown", "chmod", "mkdir"]) await writeFile(join(seed, "bin", tool), hostile, { mode: 0o755 });
      for (const name of ["suid", "$(id)", "kept"]) await writeFile(join(seed, "data", name), "");
      await mkdir(join(seed, "srv/deep"), { recursive: true });
      await symlink("/etc/passwd", join(seed, "srv/link"));
    });
    const table = "f 4711 7:8 /data/suid\nf 0600 0:0 /data/$(id)\nd 1777 1:1 /var/made\nr -1 9:9 /srv\n";
    await writeFile(join(dir, "table"), table);
    const list = join(root, "data/list");
    const script = 'sh "$1" "$2" "$3"; cd "$2"; stat -c "%a %u:%g %n" data/suid "$4" var/made srv/deep srv/link >data/list';
    const args = ["-euc", script, "sh", shellScript("debian/apply-permissions.sh"), root, join(dir, "table"), "data/$(id)"];
    await runCommand(inSandbox({ tool: "sh", args }, sandbox()));
    expect(existsSync(join(root, "data/ran"))).toBe(false);
    expect(await readFile(list, "utf8")).toBe(
      "4711 7:8 data/suid\n600 0:0 data/$(id)\n1777 1:1 var/made\n755 9:9 srv/deep\n777 9:9 srv/link\n",
    );
  });
  it.each(["f 0600 7:8 /data/out/file", "d 0700 7:8 /data/out/made", "r 0700 7:8 /data/out"])(
    "%s is refused through a link",
    async (line) => {
      const host = join(dir, "host");
      await mkdir(host);
      await writeFile(join(host, "file"), "");
      const root = await smallRoot((seed) => symlink(host, join(seed, "data/out")));
      await writeFile(join(dir, "table"), `${line}\n`);
      const args = [shellScript("debian/apply-permissions.sh"), root, join(dir, "table")];
      const before = await stat(join(host, "file"));
      const { exitCode, stderr } = await runCommand(inSandbox({ tool: "sh", args }, sandbox()), { allowFailure: true });
      expect([exitCode, stderr]).toEqual([1, expect.stringContaining("a link of an overlay leads out of the root tree")]);
      expect(await stat(join(host, "file"))).toMatchObject({ mode: before.mode, ctimeMs: before.ctimeMs });
      expect(await readdir(host)).toEqual(["file"]);
    },
  );
});

describe("account files", () => {
  it.each(["etc/passwd", "etc/shadow", "etc"])("are not read through a link: %s", async (path) => {
    const host = join(dir, "host");
    await mkdir(host);
    for (const name of ["passwd", "group", "shadow", "gshadow"]) await writeFile(join(host, name), "of the host");
    const root = await smallRoot(async (seed) => {
      await rm(join(seed, path), { recursive: true, force: true });
      for (const name of path === "etc" ? [] : ["passwd", "group", "shadow", "gshadow"]) await writeFile(join(seed, "etc", name), "");
      await rm(join(seed, path), { recursive: true, force: true });
      await symlink(path === "etc" ? host : join(host, path.slice(4)), join(seed, path));
    });
    const args = [shellScript("debian/read-accounts.sh"), root, join(dir, "copy")];
    const { exitCode, stderr } = await runCommand(inSandbox({ tool: "sh", args }, sandbox()), { allowFailure: true });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("of the root tree is a link")]);
    expect((await readdir(join(dir, "copy"))).map((name) => name)).not.toContain(path.slice(4));
  });
});

describe("a new root tree", () => {
  /** Runs clean-root.sh inside of a tree, with the programs of this machine. */
  const clean = async (root: string) => {
    const programs = 'mount --bind /usr "$1/usr"; mount -o remount,bind,ro "$1/usr"; chroot "$1" /bin/sh -c "$(cat "$2")"';
    const args = ["-euc", programs, "sh", root, shellScript("debian/clean-root.sh")];
    return runCommand(inNamespace({ tool: "sh", args }), { allowFailure: true });
  };
  const emptyRoot = async (): Promise<string> => {
    const root = join(dir, "root");
    for (const part of ["usr", "etc", "proc"]) await mkdir(join(root, part), { recursive: true });
    for (const name of ["bin", "sbin", "lib", "lib64"]) await symlink(`usr/${name}`, join(root, name));
    await writeFile(join(root, "etc/passwd"), "root:secret:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n");
    await writeFile(join(root, "etc/group"), "root:x:0:\nshadow:x:42:\n");
    await writeFile(join(root, "etc/shadow"), "root:*:::::::\n");
    return root;
  };

  it("has shadow passwords, and nothing of the build host", async () => {
    const root = await emptyRoot();
    const gone = ["etc/resolv.conf", "etc/.resolv.conf.systemd-resolved.bak", "etc/hostname", "etc/passwd-", "var/log/a/b", "tmp/x"];
    for (const path of gone) {
      await mkdir(join(root, path, ".."), { recursive: true });
      await writeFile(join(root, path), "of the host");
    }
    expect(await clean(root)).toMatchObject({ exitCode: 0, stderr: "" });
    const text = (path: string): Promise<string> => readFile(join(root, path), "utf8");
    expect(await text("etc/passwd")).toBe("root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n");
    expect(await text("etc/shadow")).toBe("root:*:::::::\ndaemon:*::0:99999:7:::\n");
    expect(await text("etc/gshadow")).toBe("root:*::\nshadow:*::\n");
    expect((await stat(join(root, "etc/shadow"))).mode & 0o7777).toBe(0o640);
    expect(gone.filter((path) => existsSync(join(root, path)))).toEqual([]);
    expect(await readdir(join(root, "var/log"))).toEqual([]);
  });

  it("is never taken for a running system", async () => {
    const root = await emptyRoot();
    await mkdir(join(root, "proc/self"));
    expect(await clean(root)).toMatchObject({ exitCode: 1, stderr: "clean-root.sh: / is a running system\n" });
    expect(existsSync(join(root, "etc/gshadow"))).toBe(false);
  });
});

describe("tools tree", () => {
  it("has wrappers that name the tree by its path, whatever is in it", async () => {
    const tree = join(dir, "it's a tree");
    const tool = { package: "p", path: "bin/true", names: ["true"], interpreter: "bin/python", env: { CONF: "etc/conf" } };
    const file = join(dir, "wrapper.sh");
    await writeFile(file, wrapper(tool, tree));
    await runCommand({ tool: "shellcheck", args: ["--shell=sh", file] });
    await mkdir(join(tree, "usr/lib/x86_64-linux-gnu"), { recursive: true });
    const loader = '#!/bin/sh\nprintf "%s\\n" "$CONF" "$@"\n';
    await writeFile(join(tree, "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"), loader, { mode: 0o755 });
    const { stdout } = await runCommand({ tool: "sh", args: [file, "a b"] });
    const lines = stdout.trimEnd().split("\n");
    expect(lines.slice(0, 3)).toEqual([`${tree}/etc/conf`, "--inhibit-cache", "--library-path"]);
    expect(lines.slice(4)).toEqual(["--argv0", file, `${tree}/bin/python`, "-B", `${tree}/bin/true`, "a b"]);
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
    await mkdir(at);
    const make = 'mkdir "$1"; cd "$1"; for name in changed removed kept; do printf $name >$name; done';
    await runCommand(inSandbox({ tool: "sh", args: ["-euc", make, "sh", base] }, sandbox()));
    const layers = await openLayers({ base, changes: join(dir, "changes, e:f"), at });
    if (layers === undefined) skip("there is no overlayfs here: builds copy the root tree");
    const script = 'cd "$1"; echo new >> changed; rm removed; echo more > added; cat changed; ls';
    const { stdout } = await runCommand(
      inSandbox({ tool: "sh", args: ["-euc", script, "sh", at] }, { ids: "many", read: [], write: [], layers }),
    );
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
    expect(await readFile(join(path, "tree/file"), "utf8")).toBe("whole");
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
