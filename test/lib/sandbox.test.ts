import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inSandbox, isRoot, type Sandbox, sandboxObjection } from "../../src/lib/namespace.js";
import { cleanEnvironment, runCommand } from "../../src/lib/tools.js";
import { skipEach } from "../skip-each.js";

const why = await sandboxObjection("many");

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-sandbox-"));
  for (const name of ["read", "write", "canary"]) await mkdir(join(dir, name));
  await writeFile(join(dir, "canary/file"), "alive");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe.each(["many", "one"] as const)("a sandbox with %s ids", (ids) => {
  skipEach(why === undefined ? undefined : `this machine permits no namespaces: ${why}`);

  const sandbox = (): Sandbox => ({ ids, read: [join(dir, "read")], write: [join(dir, "write")] });
  const run = async (script: string, more: Partial<Sandbox> = {}) => {
    const command = { tool: "sh", args: ["-uc", script, "sh", dir] };
    const { stdout } = await runCommand(inSandbox(command, { ...sandbox(), ...more }), { allowFailure: true });
    return stdout;
  };

  it.each(["relative", "/a/../sys", "/a//b", "/a/./b", "/a/"])("has no path %s", (path) => {
    for (const mount of [path, { source: path, target: "/a" }, { source: "/a", target: path }])
      for (const mounts of [{ read: [mount] }, { write: [mount] }])
        expect(() => inSandbox({ tool: "true", args: [] }, { ...sandbox(), ...mounts })).toThrow(/not absolute and normalized/);
  });

  it("does not empty a file of the machine that a link of a mounted directory leads to", async () => {
    await symlink(join(dir, "canary"), join(dir, "read/link"));
    await run("true", { read: [join(dir, "read"), join(dir, "read/link/file")] });
    expect(await readFile(join(dir, "canary/file"), "utf8")).toBe("alive");
  });

  it("holds a root that leaves a chroot", async () => {
    const leave = `mkdir "/tmp/.x"; opendir(D, "/"); chroot("/tmp/.x"); chdir(D); chdir("..") for 1 .. 64; chroot(".");
      open(F, ">", "$ARGV[0]/canary/reached"); unlink("$ARGV[0]/canary/file"); opendir(E, "$ARGV[0]"); print(join(" ", sort(readdir(E))), "\\n");`;
    const command = { tool: "perl", args: ["-e", leave, dir] };
    const { stdout } = await runCommand(inSandbox(command, sandbox()));
    expect(stdout).toBe(". .. read write\n");
    expect(await readdir(join(dir, "canary"))).toEqual(["file"]);
  });

  it("contains no file of the machine but its tools", async () => {
    const secrets = "/etc/shadow /etc/ssl/private /etc/ssh /etc/machine-id /root /home /var/lib /boot /sys/kernel /run/dbus /opt /srv";
    expect(await run(`for path in ${secrets} /proc/1/root/etc/shadow "$1/canary"; do [ ! -e "$path" ] || echo "$path"; done`)).toBe("");
    expect(await run("ls -A /run /.outside | cat; ls -A /tmp | grep -v hal-sandbox-")).toBe("/.outside:\n\n/run:\n");
  });

  it("has no other process, no network and no device", async () => {
    const commands = await run('cat /proc/[0-9]*/comm | sort -u | tr "\\n" " "');
    expect(commands).not.toMatch(/node|vitest|bash/);
    expect(await run("cut -s -d: -f1 /proc/net/dev")).toMatch(/^\s*lo\s*$/);
    expect(await run("ls /dev")).toBe("fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
    expect(await run('mknod "$1/write/sda" b 8 0 2>/dev/null && echo made')).toBe("");
  });

  it("keeps its mounts: nothing becomes writable, and nothing below appears", async () => {
    await writeFile(join(dir, "read/file"), "whole");
    const script = `mount -o remount,bind,rw "$1/read"; umount "$1/read"; mount -o remount,rw /; mount -o remount,bind,rw /usr
      unshare --user --map-root-user --mount mount -o remount,bind,rw "$1/read"
      for path in "$1/read/file" "$1/read/more"; do echo damaged >"$path" && echo "$path"; done
      for path in / /usr /etc /etc/passwd; do [ ! -w "$path" ] || echo "$path"; done`;
    expect(await run(`exec 2>/dev/null; ${script}`)).toBe("");
    expect(await readFile(join(dir, "read/file"), "utf8")).toBe("whole");
  });

  it("runs no program of its own directories as the machine's root", async () => {
    const hostile = '#!/bin/sh\nPATH=/usr/bin:/bin; echo "$0 as $(cat /proc/self/uid_map)" >>"$HOSTILE"; exec "/usr/bin/${0##*/}" "$@"\n';
    for (const name of ["umount", "unshare", "setpriv", "setsid", "env", "pivot_root", "rmdir"])
      await writeFile(join(dir, "write", name), hostile, { mode: 0o755 });
    const env = { ...cleanEnvironment(), PATH: `${join(dir, "write")}:/usr/bin:/bin`, HOSTILE: join(dir, "write/ran") };
    const { stdout } = await runCommand(inSandbox({ tool: "sh", args: ["-c", "echo $PATH"], env }, sandbox()));
    expect(stdout).toBe(`${env.PATH}\n`);
    expect(existsSync(env.HOSTILE)).toBe(false);
  });

  it("gets the address of a proxy only with a network", async () => {
    const command = { tool: "sh", args: ["-c", "echo $http_proxy"], env: { ...cleanEnvironment(), http_proxy: "http://me:secret@proxy" } };
    expect((await runCommand(inSandbox(command, sandbox()))).stdout).toBe("\n");
    expect((await runCommand(inSandbox(command, { ...sandbox(), network: true }))).stdout).toBe("http://me:secret@proxy\n");
  });

  it("changes no setting of the kernel", async () => {
    // Its own value: where it is permitted, nothing changes.
    const script = "read -r value <$1 && echo $value >$1 && echo written";
    for (const setting of ["vm/swappiness", "kernel/core_pattern"])
      expect(await run(`exec 2>/dev/null; set -- /proc/sys/${setting}; ${script}`)).toBe("");
  });

  it("writes to its own directories, and a link in them leads to nothing outside", async () => {
    await symlink(join(dir, "canary/file"), join(dir, "write/link"));
    await run('exec 2>/dev/null; echo x >"$1/write/file"; echo x >"$1/write/link"; rm -rf "$1/write/link/"');
    expect(await readFile(join(dir, "write/file"), "utf8")).toBe("x\n");
    expect(await readFile(join(dir, "canary/file"), "utf8")).toBe("alive");
    const { uid } = await stat(join(dir, "write/file"));
    if (isRoot && ids === "many") expect(uid).not.toBe(0);
    else expect(uid).toBe(process.getuid?.());
  });

  it("reads a single file, and a directory at another path", async () => {
    await writeFile(join(dir, "read/file"), "text");
    const read = [join(dir, "read/file"), { source: join(dir, "read"), target: "/other place" }];
    expect(await run('cat "$1/read/file" "/other place/file"', { read })).toBe("texttext");
  });

  it("mounts a directory below a mount read-only too", async ({ skip }) => {
    skip(!isRoot, "only root can mount a file system here");
    const script = 'mount -t tmpfs tmpfs "$0/read"; mkdir "$0/read/a b"; mount -t tmpfs -o mode=777 tmpfs "$0/read/a b"; exec "$@"';
    const { tool, args } = inSandbox({ tool: "sh", args: ["-c", `touch "${dir}/read/a b/x"`] }, sandbox());
    const inner = ["--mount", "sh", "-euc", script, dir, tool, ...args];
    const { stderr } = await runCommand({ tool: "unshare", args: inner }, { allowFailure: true });
    expect(stderr).toMatch(/Read-only file system/);
    expect(existsSync(join(dir, "read/a b"))).toBe(false);
  });
});
