import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newc, readNewc } from "../../src/codecs/cpio.js";
import { runCommand } from "../../src/lib/tools.js";
import { appendArchive } from "../../src/prove/probe.js";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-cpio-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("GNU cpio unpacks an archive", async () => {
  const archive = newc([
    { path: "probe", mode: 0o040750 },
    { path: "probe/odd", mode: 0o100755, content: Buffer.from("five!") },
    { path: "probe/empty", mode: 0o100600 },
  ]);
  await runCommand({ tool: "cpio", args: ["-i", "--quiet"], cwd: dir }, { input: archive });
  expect(await readFile(join(dir, "probe/odd"), "utf8")).toBe("five!");
  expect((await stat(join(dir, "probe/odd"))).mode).toBe(0o100755);
  expect((await stat(join(dir, "probe"))).mode).toBe(0o040750);
  expect((await stat(join(dir, "probe/empty"))).size).toBe(0);
  expect(archive.length % 4).toBe(0);
});

test("hal reads an archive by GNU cpio entry by entry", async () => {
  await mkdir(join(dir, "tree/etc"), { recursive: true });
  await writeFile(join(dir, "tree/etc/name"), "hal\n");
  const args = ["-o", "--quiet", "-H", "newc"];
  const { stdout } = await execa("cpio", args, { cwd: join(dir, "tree"), input: "etc\netc/name\n", encoding: "buffer" });
  const entries = [...readNewc(stdout, "tree.cpio")];
  expect(entries.map(({ path }) => path)).toEqual(["etc", "etc/name", "TRAILER!!!"]);
  expect(Buffer.from(entries[1]?.bytes ?? []).toString("latin1")).toMatch(/^070701.{104}etc\/name\0+hal\n$/s);
  const joined = Buffer.concat(entries.map(({ bytes }) => bytes));
  expect(joined.equals(stdout.subarray(0, joined.length))).toBe(true);
});

const archive = newc([{ path: "a", mode: 0o100644, content: Buffer.from("content") }]);
test.each([
  ["another format", Buffer.from(archive).fill("070707", 0, 6), 0, /newc format/],
  ["a size that is not a number", Buffer.from(archive).fill("x", 54, 55), 0, /newc format/],
  ["no trailer", archive.subarray(0, 112 + 8), 112 + 8, /cpio header: needs 110 bytes/],
  ["content beyond its end", Buffer.from(archive).fill("f", 54, 56), 0xff000000 + 112 + 8, /cpio header: needs 110 bytes/],
])("refuses an archive with %s", (_, bytes, offset, message) => {
  expect(() => [...readNewc(bytes, "a.cpio")]).toThrow(
    expect.objectContaining({ kind: "input", message: expect.stringMatching(message), at: { file: "a.cpio", offset } }),
  );
});

const file = { mode: 0o100644, content: Buffer.from("x") };
const usr = { path: "usr", mode: 0o040755 };
test.each([
  [
    "a path twice",
    [
      { path: "init", ...file },
      { path: "init", ...file },
    ],
    /occurs twice/,
  ],
  [
    "a path twice, once with ./",
    [
      { path: "./init", ...file },
      { path: "init", ...file },
    ],
    /occurs twice/,
  ],
  ["another spelling of a path", [{ path: "././init", ...file }], /not a plain path/],
  ["an absolute path", [{ path: "/init", ...file }], /not a plain path/],
  ["a path with ..", [usr, { path: "usr/../init", ...file }], /not a plain path/],
  ["a path with an empty part", [usr, { path: "usr//init", ...file }], /not a plain path/],
  ["a NUL in a path", [{ path: "init\0", ...file }], /not a plain path/],
  [
    "a path through a link",
    [
      { path: "x", mode: 0o120777, content: Buffer.from("/") },
      { path: "x/init", ...file },
    ],
    /not in a directory/,
  ],
  ["a directory after its file", [{ path: "usr/init", ...file }, usr], /not in a directory/],
])("refuses an archive with %s, because its tree depends on the order", (_, members, message) => {
  expect(() => [...readNewc(newc(members), "a.cpio")]).toThrow(
    expect.objectContaining({ kind: "input", message: expect.stringMatching(message) }),
  );
});

test("refuses bytes after the end of an archive, which Linux unpacks", () => {
  expect([...readNewc(Buffer.concat([archive, Buffer.alloc(512)]), "a.cpio")]).toHaveLength(2);
  const two = Buffer.concat([archive, Buffer.alloc(8), archive]);
  expect(() => [...readNewc(two, "a.cpio")]).toThrow(expect.objectContaining({ at: { file: "a.cpio", offset: archive.length + 8 } }));
});

test("an appended archive begins at a multiple of 4 for any length of the initrd", () => {
  const archive = newc([{ path: "a", mode: 0o100644 }]);
  for (const text of ["", "x", "xy", "xyz", "wxyz"]) {
    const initrd = gzipSync(Buffer.from(text));
    const whole = appendArchive(initrd, archive);
    expect(whole.subarray(0, initrd.length).equals(initrd)).toBe(true);
    expect(whole.indexOf("070701") % 4).toBe(0);
    expect(whole.subarray(whole.length - archive.length).equals(archive)).toBe(true);
  }
});
