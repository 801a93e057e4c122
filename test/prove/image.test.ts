import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalJson } from "../../src/lib/digest.js";
import { readSubject } from "../../src/prove/image.js";
import { inScratch } from "../../src/prove/prove.js";
import { resolve } from "../../src/resolve/resolve.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { artifacts, launchOf } from "../launch/fixture.js";

let dir = "";
const at = (name: string): string => join(dir, name);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-subject-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("an image on a medium that cannot be written is proved elsewhere", async () => {
  const scratch = await inScratch("/proc/1/image", async (path) => path);
  expect(dirname(scratch)).toBe(tmpdir());
  expect(existsSync(scratch)).toBe(false);
  expect(dirname(await inScratch(at("image"), async (path) => path))).toBe(dir);
});

test("half an output directory is told by the file that it lacks, before anything boots", async () => {
  const lacks = async (file: string) =>
    expect(readSubject(dir)).rejects.toMatchObject({ kind: "input", at: { file: at(file) }, remedy: expect.any(String) });
  await lacks("manifest.json");
  const { layout, profile } = await resolve("dev");
  const manifest = manifestOf({
    promises: { init: profile.init, ssh: false, layout },
    artifacts: artifacts.hardened.map((entry) => ({ ...entry })),
  });
  await writeFile(at("manifest.json"), canonicalJson(manifest));
  await lacks("launch.json");
  await writeFile(at("launch.json"), canonicalJson(await launchOf("dev")));
  for (const file of ["bzImage", "initramfs.cpio.gz", "disk.img"]) {
    await lacks(file);
    await writeFile(at(file), "");
  }
  expect((await readSubject(dir)).promises.name).toBe("dev");
});
