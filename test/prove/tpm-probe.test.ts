import { randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readPe } from "../../src/codecs/pe.js";
import { replaceOnDisk, ukiWithTpmProbe } from "../../src/prove/tpm-probe.js";
import { buildPe } from "../codecs/build-pe.js";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-probe-test-"));
});
afterAll(() => rm(dir, { recursive: true }));

const uki = (initrd: number) =>
  buildPe([
    { name: ".cmdline", data: Buffer.from("quiet") },
    { name: ".initrd", data: randomBytes(initrd) },
    { name: ".linux", data: randomBytes(1000) },
  ]);

describe("a unified kernel image with the TPM probe", () => {
  test("differs only in its section .initrd", async () => {
    const original = uki(4 << 20);
    const probed = await ukiWithTpmProbe(original, "boot.efi", "quiet");
    const section = readPe(probed, "boot.efi").sections.find(({ name }) => name === ".initrd");
    const [start = 0, end = 0] = [section?.offset, (section?.offset ?? 0) + (section?.size ?? 0)];
    expect(probed.subarray(start, start + 6).toString()).toBe("070701");
    expect(probed.subarray(start, end).includes("hal-tpm/busybox")).toBe(true);
    for (const image of [original, probed]) image.fill(0, start, end);
    expect(probed.equals(original)).toBe(true);
  });

  test("is refused if the section is smaller than the probe", async () => {
    await expect(ukiWithTpmProbe(uki(4096), "boot.efi", "quiet")).rejects.toThrow(/section .initrd is smaller/);
  });
});

describe("a file on the EFI system partition", () => {
  const content = randomBytes(100_000);
  const at = (1 << 20) + 40 * 512;

  async function disk(name: string, partition: string): Promise<string> {
    const file = join(dir, name);
    const handle = await open(file, "w");
    await handle.close();
    await truncate(file, 8 << 20);
    await execa("sfdisk", [file], { input: `label: gpt\nstart=2048, size=8192, name=${partition}\n` });
    const written = await open(file, "r+");
    // Another file with the same start comes first.
    await written.write(content, 0, 1024, 1 << 20);
    await written.write(content, 0, content.length, at);
    await written.close();
    return file;
  }

  test("is overwritten in place, and nothing else changes", async () => {
    const file = await disk("esp.img", "esp");
    const before = await readFile(file);
    const replacement = randomBytes(content.length);
    await replaceOnDisk(file, content, replacement);
    replacement.copy(before, at);
    expect((await readFile(file)).equals(before)).toBe(true);
  });

  test.each([
    ["a partition without the file", "esp", () => randomBytes(1000)],
    ["another partition", "root", () => content],
    ["a partition smaller than the file", "esp", () => Buffer.alloc(16 << 20)],
  ])("is not found in %s, and nothing changes", async (_, partition, wanted) => {
    const file = await disk("other.img", partition);
    const before = await readFile(file);
    await expect(replaceOnDisk(file, wanted(), wanted())).rejects.toMatchObject({ kind: "check" });
    expect((await readFile(file)).equals(before)).toBe(true);
  });
});
