import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256File } from "../../src/lib/digest.js";
import { halRoot } from "../../src/lib/paths.js";

// Not in /tmp, which can be a filesystem that does not report holes.
let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(halRoot, ".digest-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const expected = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

const MiB = 2 ** 20;
test.each([
  ["empty", 0, []],
  ["one byte", 1, [0]],
  ["only a hole", 20 * MiB, []],
  ["data at the start", 20 * MiB, [0]],
  ["data at the end", 20 * MiB, [20 * MiB - 4]],
  ["data across chunks and odd sizes", 33 * MiB + 123, [5, 4 * MiB - 2, 8 * MiB + 4095, 16 * MiB, 33 * MiB + 100]],
])("sparse file: %s", async (name, size, places) => {
  const file = join(dir, name.replaceAll(" ", "-"));
  await writeFile(file, "");
  await truncate(file, size);
  const handle = await open(file, "r+");
  for (const place of places) await handle.write(Buffer.from("data").subarray(0, size - place), 0, Math.min(4, size - place), place);
  await handle.sync();
  await handle.close();
  expect(await sha256File(file)).toBe(await expected(file));
});

test("a file without holes", async () => {
  const file = join(dir, "full");
  await writeFile(file, Buffer.alloc(9 * MiB, "hal"));
  expect(await sha256File(file)).toBe(await expected(file));
});
