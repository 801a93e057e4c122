import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { digestBeside } from "../../src/build/digests.js";
import { sha256 } from "../../src/lib/digest.js";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-artifacts-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("a digest that is computed beside other work is dropped when the work changes the file", async () => {
  await writeFile(join(dir, "image"), "image");
  expect(await digestBeside(Promise.resolve(), dir, "image")).toEqual([{ name: "image", size: 5, sha256: sha256("image") }]);
  const writing = new Promise((done) => setTimeout(done, 30)).then(() => writeFile(join(dir, "image"), "other"));
  expect(await digestBeside(writing, dir, "image")).toEqual([]);
  expect(await digestBeside(Promise.resolve(), dir, "absent")).toEqual([]);
});
