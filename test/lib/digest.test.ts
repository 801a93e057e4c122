import { createHash } from "node:crypto";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256, sha256Data, sha256File } from "../../src/lib/digest.js";
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

test("an interrupt ends the hashing of a hole at once", async () => {
  const file = join(dir, "hole");
  await writeFile(file, "");
  await truncate(file, 1024 ** 4);
  const interrupt = new AbortController();
  const work = sha256File(file, { signal: interrupt.signal });
  const delay = 1500; // the hole is being hashed
  setTimeout(() => interrupt.abort(), delay);
  const began = performance.now();
  await expect(work).rejects.toThrow("aborted");
  expect(performance.now() - began).toBeLessThan(delay + 1000);
});

describe("the digest of some ranges of a file", () => {
  const GiB = 2 ** 30;
  const end = 3 * 1024 * GiB;
  const ranges = [
    { start: 0, end: 4 },
    { start: 9 * GiB, end: 9 * GiB + 4 },
  ];
  /** A file of 3 TiB with `data` at these offsets. */
  async function large(name: string, places: readonly number[]): Promise<string> {
    const file = join(dir, name);
    await writeFile(file, "");
    await truncate(file, end);
    const handle = await open(file, "r+");
    for (const place of places) await handle.write("data", place);
    await handle.sync();
    await handle.close();
    return file;
  }

  test("covers these bytes, in a time that does not depend on the size of the file", async () => {
    const began = performance.now();
    expect(await sha256Data(await large("ranges", [0, 9 * GiB]), ranges)).toBe(sha256("datadata"));
    expect(performance.now() - began).toBeLessThan(5000);
  });
  test.each([
    ["between the ranges", 5 * GiB],
    ["in the block of a range", 9 * GiB + 4],
    ["at the end", end - 4],
  ])("is refused for a file with other bytes %s", async (_, place) => {
    const file = await large("more", [0, 9 * GiB, place]);
    await expect(sha256Data(file, ranges)).rejects.toMatchObject({ kind: "check", at: { file, offset: place } });
  });
  test.each([
    [
      "out of order",
      [
        { start: 9, end: 10 },
        { start: 0, end: 1 },
      ],
    ],
    [
      "that overlap",
      [
        { start: 0, end: 9 },
        { start: 8, end: 10 },
      ],
    ],
    ["outside the file", [{ start: 0, end: end + 1 }]],
  ])("is refused for ranges %s", async (_, wrong) => {
    await expect(sha256Data(await large("ranges", []), wrong)).rejects.toMatchObject({ kind: "check" });
  });
});
