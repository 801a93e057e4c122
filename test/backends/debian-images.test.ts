import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeImages } from "../../src/backends/debian/images.js";
import type { TreeOptions } from "../../src/backends/debian/root.js";
import { resolve } from "../../src/resolve/resolve.js";

test("the kernel is not written through a link that a sandbox left in BINARIES_DIR", async () => {
  const dir = await mkdtemp(join(tmpdir(), "hal-images-"));
  try {
    const at = (name: string): string => join(dir, name);
    const dirs = { targetDir: at("target"), binariesDir: at("images"), hostDir: at("host"), buildDir: at("build"), layers: undefined };
    for (const name of ["target", "images", "host", "build"]) await mkdir(at(name));
    await writeFile(at("kernel"), "kernel");
    await writeFile(at("victim"), "mine");
    await symlink("../victim", at("images/bzImage"));
    const options = { report: () => {}, log: at("log"), signal: new AbortController().signal } as unknown as TreeOptions;
    await expect(makeImages(await resolve("dev"), dirs, at("kernel"), options)).rejects.toThrow(); // there is no mke2fs
    expect(await readFile(at("victim"), "utf8")).toBe("mine");
    expect(await readFile(at("images/bzImage"), "utf8")).toBe("kernel");
  } finally {
    await rm(dir, { recursive: true });
  }
});
