import { spawnSync } from "node:child_process";
import { chmod, chown, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Prepared } from "../../src/backends/backend.js";
import { collect } from "../../src/build/collect.js";
import { readRecord, recordOf } from "../../src/build/outputs.js";
import { publish, type Staging, stage, workDirOf } from "../../src/build/publish.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { inSandbox, isRoot } from "../../src/lib/namespace.js";
import { runCommand } from "../../src/lib/tools.js";
import { manifestOf } from "../bundle/manifest-fixture.js";

let dir = "";
let out = "";
let victim = "";
const own = (name: string): string => join(out, ".hal", name);

/** A repository with an `out/` directory, and files of the user beside it. */
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-outputs-"));
  vi.stubEnv("HAL_CACHE", join(dir, "cache"));
  [out, victim] = [join(dir, "repository/out"), join(dir, "victim")];
  await mkdir(own(""), { recursive: true });
  await mkdir(victim);
  await writeFile(join(victim, "file"), "mine");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

const staged = async (work?: (staging: Staging) => unknown): Promise<string> => {
  const staging = await stage(out, "p");
  await work?.(staging);
  await staging.release();
  return staging.workDir;
};
const unharmed = async () => {
  expect(await readdir(victim)).toEqual(["file"]);
  expect(await readFile(join(victim, "file"), "utf8")).toBe("mine");
};

describe("the work directory", () => {
  const random = "0123456789abcdef0123456789abcdef";

  test("is kept between builds while the cache names it", async () => {
    const first = await staged(({ workDir }) => writeFile(join(workDir, "kept"), ""));
    expect(await staged()).toBe(first);
    expect(await readdir(first)).toEqual(["kept"]);
    expect(await workDirOf(out, "p")).toBe(first);
    vi.stubEnv("HAL_CACHE", join(dir, "another"));
    expect(await workDirOf(out, "p")).toBeUndefined();
    expect(await staged()).not.toBe(first);
    expect((await readdir(own(""))).filter((name) => name.startsWith("p.work"))).toHaveLength(1);
  });

  test.each(["p.work", `p.work-${random}`])("is never %s of a repository", async (planted) => {
    await mkdir(own(`${planted}/debian`), { recursive: true });
    for (const name of ["buildroot", "times.json", "buildroot-inputs.json", "debian/build", "debian/target"])
      await symlink(name.endsWith(".json") ? join(victim, "file") : victim, own(`${planted}/${name}`));
    expect(await staged(async ({ workDir }) => expect(await readdir(workDir)).toEqual([]))).not.toBe(own(planted));
    expect(await readdir(own(""))).not.toContain(planted);
    await unharmed();
  });

  test("is made again when it, or a file in it, has become a link", async () => {
    const first = await staged();
    await rename(first, `${first}.moved`);
    await symlink(victim, first);
    const second = await staged();
    expect(second).not.toBe(first);
    await symlink(victim, join(second, "buildroot"));
    expect(await staged()).not.toBe(second);
    await unharmed();
  });

  test("of an image is not that of another one, nor of another directory", async () => {
    const first = await staged();
    const other = await stage(out, "p.work-q");
    await other.release();
    expect(await staged()).toBe(first);
    expect(await recordOf(join(dir, "elsewhere"), "p")).not.toBe(await recordOf(out, "p"));
    await symlink(out, join(dir, "link"));
    expect(await recordOf(join(dir, "link"), "p")).toBe(await recordOf(out, "p"));
  });

  test("can be entered by the caller only", async () => {
    await chmod(own(""), 0o777);
    await staged();
    expect((await lstat(own(""))).mode & 0o777).toBe(0o700);
  });

  test.skipIf(!isRoot)("contains set-uid programs of a sandbox that nobody else can run", async () => {
    await chmod(dir, 0o755);
    const work = await staged();
    const copy = { tool: "cp", args: ["/usr/bin/id", join(work, "id")] };
    await runCommand(inSandbox(copy, { ids: "one", read: [], write: [work] }));
    await runCommand(inSandbox({ tool: "chmod", args: ["4755", join(work, "id")] }, { ids: "one", read: [], write: [work] }));
    expect((await lstat(join(work, "id"))).mode & 0o7777).toBe(0o4755);
    const asNobody = { uid: 65534, gid: 65534, encoding: "utf8", cwd: "/" } as const;
    expect(spawnSync(join(work, "id"), ["-u"], asNobody).error).toMatchObject({ code: "EACCES" });
  });

  test.skipIf(!isRoot)("is not made in a directory of another user", async () => {
    await chown(own(""), 12345, 12345);
    await expect(stage(out, "p")).rejects.toMatchObject({ kind: "input", message: "belongs to another user", at: { file: own("") } });
  });
});

describe("the directories of a killed build", () => {
  test("are removed without following links", async () => {
    await symlink(victim, own("p.new"));
    await symlink(victim, own("p.old"));
    await symlink(join(victim, "file"), own("p.log"));
    await staged(async ({ staging }) => expect((await lstat(staging)).isDirectory()).toBe(true));
    await unharmed();
  });

  test("contain no image that is published, unless hal made it", async () => {
    await mkdir(own("p.old"));
    await writeFile(own("p.old/manifest.json"), "{}");
    await staged();
    expect(await readdir(out)).not.toContain("p");

    const manifest = manifestOf({ artifacts: [] });
    await staged(async ({ staging, log }) => {
      await writeFile(log, "");
      await writeFile(join(staging, "manifest.json"), canonicalJson(manifest));
      await publish(out, "p", manifest);
    });
    expect((await readRecord(await recordOf(out, "p"))).published).toBeDefined();
    await rename(join(out, "p"), own("p.old"));
    await staged();
    expect(await readdir(join(out, "p"))).toContain("manifest.json");
  });
});

describe("the artifacts of a sandbox", () => {
  const collectFrom = async (fill: (images: string) => Promise<unknown>): Promise<string> => {
    const staging = await stage(out, "p");
    const binariesDir = join(staging.workDir, "images");
    await fill(binariesDir);
    await collect({ workspace: staging, binariesDir } as unknown as Prepared, undefined, false);
    return staging.staging;
  };
  const images = async (path: string): Promise<void> => {
    await mkdir(path);
    for (const name of ["bzImage", "cmdline"]) await writeFile(join(path, name), "x");
  };

  test("are not taken from a directory that a link leads to", async () => {
    await images(join(victim, "images"));
    const work = collectFrom((path) => symlink(join(victim, "images"), path));
    await expect(work).rejects.toMatchObject({ kind: "input", message: "is a link, and hal does not follow it" });
    expect(await readdir(join(victim, "images"))).toEqual(["bzImage", "cmdline"]);
  });

  test("are neither links nor set-uid programs", async () => {
    const collected = await collectFrom(async (path) => {
      await images(path);
      await chmod(join(path, "bzImage"), 0o6755);
    });
    expect((await lstat(join(collected, "bzImage"))).mode & 0o7777).toBe(0o644);
  });

  test("are refused as links inside the directory", async () => {
    const work = collectFrom(async (path) => {
      await images(path);
      await symlink("bzImage", join(path, "rootfs.ext4"));
    });
    await expect(work).rejects.toMatchObject({ kind: "check" });
  });
});
