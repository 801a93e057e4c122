import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newc } from "../../src/codecs/cpio.js";
import { runCommand } from "../../src/lib/tools.js";
import { appendArchive } from "../../src/prove/probe.js";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-cpio-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("GNU cpio unpacks the archive as it was meant", async () => {
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

test("an appended archive begins at a multiple of 4, whatever the initrd's length", () => {
  const archive = newc([{ path: "a", mode: 0o100644 }]);
  for (const text of ["", "x", "xy", "xyz", "wxyz"]) {
    const initrd = gzipSync(Buffer.from(text));
    const whole = appendArchive(initrd, archive);
    expect(whole.subarray(0, initrd.length).equals(initrd)).toBe(true);
    expect(whole.indexOf("070701") % 4).toBe(0);
    expect(whole.subarray(whole.length - archive.length).equals(archive)).toBe(true);
  }
});
