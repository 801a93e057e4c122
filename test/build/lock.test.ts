import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { stage } from "../../src/build/publish.js";
import { halRoot } from "../../src/lib/paths.js";

let out = "";
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "hal-lock-"));
  vi.stubEnv("HAL_CACHE", join(out, "cache"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(out, { recursive: true, force: true });
});

describe("the lock of an image directory", () => {
  test("is taken by one of several builds", async () => {
    for (let round = 0; round < 5; round++) {
      const staged = await Promise.allSettled(Array.from({ length: 8 }, () => stage(out, "p")));
      const [winner, ...others] = staged.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      expect(others).toEqual([]);
      await winner?.release();
    }
  });

  test("names its holder, and is released", async () => {
    const first = await stage(out, "p");
    const second = stage(out, "p");
    await expect(second).rejects.toMatchObject({ kind: "command", message: `${out}/p is being built by process ${process.pid}` });
    await (await stage(out, "q")).release();
    await first.release();
    expect(await readFile(join(out, ".hal/p.lock"), "utf8")).toBe("");
    await (await stage(out, "p")).release();
  });

  test("survives an interrupt of all processes of a terminal, and ends with its build, even by kill -9", async () => {
    const words = ["--import", createRequire(import.meta.url).resolve("tsx"), join(halRoot, "test/build/contender.ts"), out];
    const contender = execa(process.execPath, words, { detached: true, reject: false });
    await once(contender.stdout, "data");
    const { pid = 0 } = contender;
    process.kill(-pid, "SIGINT");
    await expect(stage(out, "p")).rejects.toMatchObject({ message: expect.stringContaining(`process ${pid}`) });
    process.kill(pid, "SIGKILL");
    await contender;
    const staging = await vi.waitFor(() => stage(out, "p"));
    await staging.release();
  });

  test("is released by a build that fails at the start", async () => {
    await mkdir(join(out, ".hal"));
    await writeFile(join(out, "cache"), "no directory");
    await expect(stage(out, "p")).rejects.toMatchObject({ code: "ENOTDIR" });
    await rm(join(out, "cache"));
    await (await stage(out, "p")).release();
  });

  test("does not depend on the contents of its file", async () => {
    await mkdir(join(out, ".hal"));
    for (const text of ["", "{", "1"]) {
      await writeFile(join(out, ".hal/p.lock"), text);
      await (await stage(out, "p")).release();
    }
  });

  test.each([".hal", ".hal/p.lock"])("is not taken through a link at %s", async (link) => {
    const victim = join(out, "victim");
    if (link.endsWith(".lock")) await writeFile(victim, "mine");
    else await mkdir(victim);
    await mkdir(join(out, link, ".."), { recursive: true });
    await symlink(victim, join(out, link));
    await expect(stage(out, "p")).rejects.toMatchObject({ name: "HalError" });
    if (link.endsWith(".lock")) expect(await readFile(victim, "utf8")).toBe("mine");
    else expect(await readdir(victim)).toEqual([]);
  });

  test("of a place that cannot exist is refused at once", async () => {
    await expect(stage("/proc/hal-out", "p")).rejects.toMatchObject({ kind: "input", at: { file: "/proc/hal-out" } });
  });

  test("that cannot be taken is an error with the reason", async () => {
    await mkdir(join(out, ".hal/p.lock"), { recursive: true });
    const message = `${out}/p cannot be locked`;
    await expect(stage(out, "p")).rejects.toMatchObject({ message, details: [expect.stringContaining("p.lock")] });
  });
});
