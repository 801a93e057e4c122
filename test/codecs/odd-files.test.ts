import { execFileSync } from "node:child_process";
import { mkdtemp, open, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { measureFile } from "../../src/lib/banks.js";
import { sha256, sha256File } from "../../src/lib/digest.js";
import { readNamed } from "../../src/measure/request.js";

// A pipe or a device has the size 0, and is no empty file. Opening a pipe without a writer waits forever.
let dir = "";
const contents = Buffer.alloc(3 * 1024 * 1024 + 5, "initrd");
const socket = createServer();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-odd-"));
  await writeFile(join(dir, "contents"), contents);
  execFileSync("mkfifo", [join(dir, "pipe")]);
  await new Promise<void>((listening) => socket.listen(join(dir, "socket"), listening));
});
afterAll(async () => {
  socket.close();
  await rm(dir, { recursive: true, force: true });
});

test.each([
  ["/dev/zero", "is a device"],
  ["/dev/null", "is a device"],
  ["/", "is a directory"],
  ["pipe", "is a pipe"],
  ["socket", "is a socket"],
  ["missing", "does not exist"],
])("%s is refused at once", async (name, message) => {
  const path = name.startsWith("/") ? name : join(dir, name);
  for (const read of [sha256File, measureFile, (file: string) => readNamed(file)])
    await expect(read(path)).rejects.toMatchObject({ kind: "input", message, at: { file: path } });
});

test("a caller can name a file by a link", async () => {
  const link = join(dir, "link");
  await symlink("contents", link);
  expect(await sha256File(link)).toBe(sha256(contents));
  await expect(sha256File(link, { follow: false })).rejects.toMatchObject({ kind: "input", message: "is a symbolic link" });
});

test("a file that is too large for memory is refused before it is read", async () => {
  const file = join(dir, "large");
  await (await open(file, "w")).close();
  await truncate(file, 5 * 2 ** 30);
  await expect(readNamed(file)).rejects.toMatchObject({ kind: "input", at: { file } });
  await expect(readNamed(join(dir, "contents"), 1024 * 1024)).rejects.toMatchObject({
    kind: "input",
    message: expect.stringMatching(/more than 1048576 bytes/),
  });
});
