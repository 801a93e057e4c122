import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { measureFile } from "../../src/lib/banks.js";
import { sha256, sha256File } from "../../src/lib/digest.js";
import { readNamed } from "../../src/measure/request.js";

// `--initrd <(cat a b)` passes a pipe, and a wrong path may be a device. Their size is 0, but they are not empty files.
let dir = "";
const contents = Buffer.alloc(3 * 1024 * 1024 + 5, "initrd");
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-odd-"));
  await writeFile(join(dir, "contents"), contents);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function pipe(name: string): string {
  const path = join(dir, name);
  execFileSync("mkfifo", [path]);
  spawn("sh", ["-c", 'exec cat "$1" > "$2"', "sh", join(dir, "contents"), path], { stdio: "ignore" });
  return path;
}

test("a pipe is read to its end", async () => {
  expect(await sha256File(pipe("one"))).toBe(sha256(contents));
  expect(await measureFile(pipe("two"))).toMatchObject({ size: contents.length, digests: { sha256: sha256(contents) } });
  expect(Buffer.compare((await readNamed(pipe("three"))).bytes, contents)).toBe(0);
});

test.each([
  ["/dev/zero", "is neither a file nor a pipe"],
  ["/dev/null", "is neither a file nor a pipe"],
  ["/", "is a directory"],
])("%s has no digest", async (path, message) => {
  for (const read of [sha256File, measureFile, (file: string) => readNamed(file)])
    await expect(read(path)).rejects.toMatchObject({ kind: "input", message, at: { file: path } });
});

test("a file that is too large for memory is refused before it is read", async () => {
  const file = join(dir, "large");
  await (await open(file, "w")).close();
  await truncate(file, 5 * 2 ** 30);
  await expect(readNamed(file)).rejects.toMatchObject({ kind: "input", at: { file } });
  await expect(readNamed(pipe("four"), 1024 * 1024)).rejects.toMatchObject({
    kind: "input",
    message: expect.stringMatching(/more than 1048576 bytes/),
  });
});
