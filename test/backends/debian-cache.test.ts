import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeApt, takenOver } from "../../src/backends/debian/archive.js";
import { type Cache, cacheAt, entry } from "../../src/backends/debian/cache.js";
import { type Lock, type LockedPackage, lockText, readLock } from "../../src/backends/debian/lock.js";
import { debFile, download, missing } from "../../src/backends/debian/pool.js";
import { aptOf } from "../../src/backends/debian/solve.js";
import { sha256 } from "../../src/lib/digest.js";
import { isRoot } from "../../src/lib/namespace.js";
import { runCommand } from "../../src/lib/tools.js";
import { resolve } from "../../src/resolve/resolve.js";

let dir = "";
let cache: Cache;
let notes: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-cache-"));
  cache = cacheAt(dir);
  notes = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => notes.push(String(text)) > 0);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true, force: true });
});

describe("a tree in the cache", () => {
  const time = new Date(1_600_000_000_000);
  let made = 0;
  const make = async (fresh: string): Promise<void> => {
    made += 1;
    await mkdir(join(fresh, "etc"), { recursive: true });
    await writeFile(join(fresh, "etc/passwd"), "root\n");
    await symlink("passwd", join(fresh, "etc/link"));
    for (const name of ["etc/passwd", "etc", "."]) await utimes(join(fresh, name), time, time);
  };
  const get = () => entry(cache, join(cache.root, "key"), make);
  beforeEach(() => {
    made = 0;
  });

  test("is used again while it is unchanged", async () => {
    const tree = await get();
    expect([await get(), made, notes]).toEqual([tree, 1, []]);
  });

  test.each<[what: string, damage: (tree: string) => Promise<unknown>]>([
    ["another byte, with the old time", (tree) => writeFile(join(tree, "etc/passwd"), "toor\n")],
    ["a shorter file", (tree) => truncate(join(tree, "etc/passwd"), 1)],
    ["another mode", (tree) => chmod(join(tree, "etc/passwd"), 0o4755)],
    ["another mode of a directory", (tree) => chmod(join(tree, "etc"), 0o777)],
    ["another link", (tree) => rm(join(tree, "etc/link")).then(() => symlink("shadow", join(tree, "etc/link")))],
    ["one more file", (tree) => writeFile(join(tree, "etc/shadow"), "")],
    ["one file less", (tree) => rm(join(tree, "etc/link"))],
    ["another time", (tree) => utimes(join(tree, "etc/passwd"), 0, 0)],
    ["no digest", (tree) => rm(join(tree, "../digest"))],
    ["no tree", (tree) => rm(tree, { recursive: true })],
  ])("is made again when it has %s", async (what, damage) => {
    const tree = await get();
    await damage(tree);
    if (what !== "another time" && existsSync(join(tree, "etc/passwd"))) await utimes(join(tree, "etc/passwd"), time, time);
    if (existsSync(join(tree, "etc"))) await utimes(join(tree, "etc"), time, time);
    expect(await get()).toBe(tree);
    expect(made).toBe(2);
    expect(await readFile(join(tree, "etc/passwd"), "utf8")).toBe("root\n");
    expect(notes.join("")).toContain("is damaged; hal makes it again");
    await get();
    expect(made).toBe(2);
  });

  test("is made again when a file has another owner", async ({ skip }) => {
    skip(!isRoot, "only root can change the owner of a file");
    const tree = await get();
    execFileSync("chown", ["7:8", join(tree, "etc/passwd")]);
    await get();
    expect(made).toBe(2);
  });
});

describe("a package in the pool", () => {
  const text = "package";
  const locked: LockedPackage = {
    name: "p",
    version: "1",
    architecture: "amd64",
    sha256: sha256(text),
    size: text.length,
    source: "p",
    stanza: "",
  };
  beforeEach(() => mkdir(cache.pool, { recursive: true }));

  test("is hashed each time it is used", async () => {
    expect(await missing(cache, [locked])).toEqual([locked]);
    await writeFile(debFile(cache, locked), text);
    expect(await missing(cache, [locked])).toEqual([]);
    await writeFile(debFile(cache, locked), "PACKAGE");
    expect(await missing(cache, [locked])).toEqual([locked]);
  });

  test("that is damaged is refused without a network", async () => {
    await writeFile(debFile(cache, locked), "PACKAGE");
    const apt = () => Promise.reject(new Error("apt ran"));
    const { signal } = new AbortController();
    const work = download([locked], { cache, apt, offline: true, log: join(dir, "log"), report: () => {}, signal });
    await expect(work).rejects.toMatchObject({ kind: "command", details: ["p 1"] });
  });
});

describe("a recorded package set", () => {
  const lock: Lock = { format: 1, suite: "trixie", snapshot: null, releases: [], root: [], tools: [], kernel: [] };

  test("is read as it was written", async () => {
    await writeFile(join(dir, "lock"), lockText(lock));
    expect(await readLock(join(dir, "lock"))).toEqual(lock);
  });

  test.each<[what: string, text: string]>([
    ["changed", lockText(lock).replace("trixie", "trixia")],
    ["cut off", lockText(lock).slice(0, -1)],
    ["without its digest", JSON.stringify(lock)],
    ["empty", ""],
  ])("that is %s is not used", async (_, text) => {
    await writeFile(join(dir, "lock"), text);
    expect(await readLock(join(dir, "lock"))).toBeUndefined();
  });
});

describe("the index of an archive", () => {
  test("is used again while it is unchanged, and read again when it is damaged", async () => {
    const bin = join(dir, "bin");
    await mkdir(bin);
    const calls = join(dir, "calls");
    const script = `#!/bin/sh\necho "$*" >>${calls}\necho index >"$(dirname "$APT_CONFIG")/lists/sid_InRelease"\n`;
    await writeFile(join(bin, "apt-get"), script, { mode: 0o755 });
    vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
    try {
      const resolved = await resolve("dev", { set: ["debian.mirror=http://archive.test"] });
      const options = { offline: false, update: false, signal: new AbortController().signal };
      const updates = async (): Promise<number> => (await readFile(calls, "utf8")).split("\n").length - 1;
      const apt = await aptOf(resolved, cache, options);
      await aptOf(resolved, cache, options);
      expect(await updates()).toBe(1);
      await writeFile(join(apt.dir, "lists/sid_InRelease"), "INDEX\n");
      await aptOf(resolved, cache, options);
      expect(await updates()).toBe(2);
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe("hal's apt", () => {
  test("takes over where archives are and how to reach them, and nothing else", () => {
    const kept = [
      'Acquire::Check-Valid-Until "false";',
      'Acquire::http::Proxy "http://proxy.test:3128";',
      'Acquire::http::Proxy::mirror.test "DIRECT";',
      'Acquire::https::CaInfo "/etc/ssl/own.pem";',
      'Acquire::https::mirror.test::SslCert "/etc/ssl/client.pem";',
      'Acquire::ForceIPv4 "true";',
    ];
    const dropped = [
      'Acquire::AllowInsecureRepositories "1";',
      'Acquire::AllowWeakRepositories "1";',
      'Acquire::AllowDowngradeToInsecureRepositories "1";',
      'Acquire::allowinsecurerepositories "1";',
      'Acquire::https::Verify-Peer "false";',
      'Acquire::https::mirror.test::Verify-Host "false";',
      'Acquire::Max-ValidTime "99999999";',
      'Acquire::PDiffs "";',
      'Acquire::http::Proxy "x"; Acquire::AllowInsecureRepositories "1";',
      'APT::Get::AllowUnauthenticated "1";',
      'Dir::Etc::trusted "/tmp/key.gpg";',
    ];
    expect(takenOver([...kept, ...dropped].join("\n"))).toEqual(kept);
  });

  test("refuses an unsigned archive, although the host's apt accepts it", async () => {
    const [bin, repository] = [join(dir, "bin"), join(dir, "repository")];
    for (const path of [bin, join(repository, "dists/sid/main/binary-amd64")]) await mkdir(path, { recursive: true });
    await writeFile(join(repository, "dists/sid/main/binary-amd64/Packages"), "");
    const digest = sha256("");
    await writeFile(
      join(repository, "dists/sid/Release"),
      `Suite: sid\nCodename: sid\nComponents: main\nArchitectures: amd64\nSHA256:\n ${digest} 0 main/binary-amd64/Packages\n`,
    );
    const settings = ["AllowInsecureRepositories", "AllowDowngradeToInsecureRepositories", "AllowWeakRepositories"];
    const dump = settings.map((name) => `Acquire::${name} "1";`).join("\n");
    await writeFile(join(bin, "apt-config"), `#!/bin/sh\ncat <<'EOF'\n${dump}\nEOF\n`, { mode: 0o755 });
    vi.stubEnv("PATH", `${bin}:${process.env.PATH}`);
    try {
      const apt = await makeApt(join(dir, "apt"), [{ uri: `file:${repository}`, suite: "sid" }], false);
      const update = runCommand({ tool: "apt-get", args: ["update", "--error-on=any"], env: apt.env }, { allowFailure: true });
      expect(await update).toMatchObject({ exitCode: 100, stderr: expect.stringContaining("is not signed") });
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
