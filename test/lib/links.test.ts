import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeInside, readInside } from "../../src/lib/links.js";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-links-"));
  await mkdir(join(dir, "inside/a"), { recursive: true });
  await mkdir(join(dir, "outside"));
  await writeFile(join(dir, "outside/file"), "secret");
  await writeFile(join(dir, "inside/a/file"), "text");
  await symlink("../outside", join(dir, "inside/link"));
  await symlink("../../outside/file", join(dir, "inside/a/link"));
});
afterEach(() => rm(dir, { recursive: true }));

test("a directory is made inside another one only", async () => {
  expect(await makeInside(join(dir, "inside"), "a/b/c")).toBe(join(dir, "inside/a/b/c"));
  for (const path of ["link", "link/b", "../outside/b", "a/../../outside/b"])
    await expect(makeInside(join(dir, "inside"), path)).rejects.toMatchObject({ kind: "input" });
  expect(await readdir(join(dir, "outside"))).toEqual(["file"]);
});

test("a file is read inside a directory only", async () => {
  expect(await readInside(join(dir, "inside"), "a/file", 4)).toBe("text");
  for (const path of ["link/file", "a/link", "../outside/file", "a", "a/none"])
    await expect(readInside(join(dir, "inside"), path, 100)).rejects.toMatchObject({ kind: "input" });
  await expect(readInside(join(dir, "inside"), "a/file", 3)).rejects.toMatchObject({ kind: "input" });
});
