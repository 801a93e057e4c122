import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalJson } from "../../src/lib/digest.js";
import { withScratchDir } from "../../src/prove/boot-config.js";
import { readImage } from "../../src/prove/image.js";
import { resolve } from "../../src/resolve/resolve.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { artifacts, launchOf } from "../launch/fixture.js";

let dir = "";
const at = (name: string): string => join(dir, name);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-image-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("the scratch directory is next to the image, or in the temporary directory if that place is not writable", async () => {
  const scratch = await withScratchDir("/proc/1/image", async (path) => path);
  expect(dirname(scratch)).toBe(tmpdir());
  expect(existsSync(scratch)).toBe(false);
  expect(dirname(await withScratchDir(at("image"), async (path) => path))).toBe(dir);
});

test("an incomplete image directory is refused with the name of the missing file", async () => {
  const lacks = async (file: string) =>
    expect(readImage(dir)).rejects.toMatchObject({ kind: "input", at: { file: at(file) }, remedy: expect.any(String) });
  await lacks("manifest.json");
  const { layout, profile } = await resolve("dev");
  const manifest = manifestOf({
    promises: { init: profile.init, ssh: false, hostAml: "runs", layout },
    artifacts: artifacts.hardened.map((entry) => ({ ...entry })),
  });
  await writeFile(at("manifest.json"), canonicalJson(manifest));
  await lacks("launch.json");
  await writeFile(at("launch.json"), canonicalJson(await launchOf("dev")));
  for (const file of ["bzImage", "initramfs.cpio.gz", "disk.img"]) {
    await lacks(file);
    await writeFile(at(file), "");
  }
  expect((await readImage(dir)).promises.name).toBe("dev");
});
