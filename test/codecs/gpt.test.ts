import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { editGpt, gptSize, readGpt } from "../../src/codecs/gpt.js";
import { runCommand } from "../../src/lib/tools.js";
import { gptEvent } from "../../src/measure/vtpm/partition-table.js";
import { fuzz } from "./fuzz.js";
import { mutate } from "./mutate.js";

const dir = mkdtempSync(join(tmpdir(), "hal-gpt-"));
afterAll(() => rmSync(dir, { recursive: true }));
const diskSize = 20480 * 512;
const table = `label: gpt
label-id: 01234567-89AB-CDEF-0123-456789ABCDEF
start=2048, size=8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=11111111-2222-3333-4444-555555555555, name="esp"
start=10240, size=8, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=66666666-7777-8888-9999-AAAAAAAAAAAA, name="rööt"
`;

/** A disk with a table as util-linux's sfdisk makes it. */
const whole = await (async () => {
  const file = join(dir, "disk");
  writeFileSync(file, "");
  truncateSync(file, diskSize);
  await runCommand({ tool: "sfdisk", args: ["-q", file] }, { input: table });
  return readFileSync(file);
})();
const disk = whole.subarray(0, gptSize);

/** Corrects both checksums, so that the reader reaches the damaged field. */
function repaired(bytes: Buffer): Buffer {
  if (bytes.length < gptSize) return bytes;
  const size = Math.min(bytes.readUInt32LE(592), 128) * 128;
  bytes.writeUInt32LE(crc32(bytes.subarray(1024, 1024 + size)), 600);
  bytes.writeUInt32LE(0, 528);
  bytes.writeUInt32LE(crc32(bytes.subarray(512, 604)), 528);
  return bytes;
}

describe("partition tables", () => {
  test("are read as sfdisk wrote them", () => {
    expect(readGpt(disk, "disk", diskSize).partitions).toEqual([
      {
        type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        partuuid: "11111111-2222-3333-4444-555555555555",
        name: "esp",
        start: 2048 * 512,
        size: 8192 * 512,
      },
      {
        type: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        partuuid: "66666666-7777-8888-9999-aaaaaaaaaaaa",
        name: "rööt",
        start: 10240 * 512,
        size: 8 * 512,
      },
    ]);
  });

  test("are measured as header, count and used entries", () => {
    expect(gptEvent(readGpt(disk, "disk", diskSize)).size).toBe(92 + 8 + 2 * 128);
  });

  test("an edit without a change writes both copies as sfdisk made them", () => {
    const written = Buffer.alloc(diskSize);
    whole.copy(written, 0, 0, 512);
    for (const { offset, bytes } of editGpt(readGpt(disk, "disk", diskSize), () => {})) written.set(bytes, offset);
    expect(written.equals(whole)).toBe(true);
  });

  test("an edit changes one partition in both copies", () => {
    const gpt = readGpt(disk, "disk", diskSize);
    const [esp, root] = gpt.partitions;
    if (esp === undefined || root === undefined) throw new Error("two partitions expected");
    const writes = editGpt(gpt, (entry) => entry(root).fill(0));
    const written = Buffer.from(whole);
    for (const { offset, bytes } of writes) written.set(bytes, offset);
    expect(readGpt(written.subarray(0, gptSize), "disk", diskSize).partitions).toEqual([esp]);
    expect(written.subarray(-33 * 512, -512).equals(written.subarray(1024, 1024 + 32 * 512))).toBe(true);
    expect(() => editGpt(gpt, (entry) => entry({ ...esp }))).toThrow(RangeError);
  });

  test.each<[string, (bytes: Buffer) => unknown, string]>([
    ["signature", (bytes) => bytes.write("EFI PORT", 512), "EFI PART"],
    ["position", (bytes) => bytes.writeUInt32LE(2, 536), "MyLBA"],
    ["backup", (bytes) => bytes.writeUInt32LE(99, 544), "last block"],
    ["entries", (bytes) => bytes.writeUInt32LE(7, 584), "block 2"],
    ["too many entries", (bytes) => bytes.writeUInt32LE(0x7fffffff, 592), "entries"],
    ["entry size", (bytes) => bytes.writeUInt32LE(0, 596), "128 bytes"],
    ["usable blocks in the backup", (bytes) => bytes.writeUInt32LE(20480 - 33, 560), "between the tables"],
    ["overlap", (bytes) => bytes.writeUInt32LE(10239, 1024 + 128 + 32), "overlap"],
    ["end before start", (bytes) => bytes.writeUInt32LE(1, 1024 + 40), "usable"],
  ])("wrong: %s", (_, damage, message) => {
    const bytes = Buffer.from(disk);
    damage(bytes);
    expect(() => readGpt(repaired(bytes), "disk", diskSize)).toThrow(message);
  });

  test("a disk that QEMU makes larger", () => {
    expect(() => readGpt(disk, "disk", diskSize + 1)).toThrow("a multiple of 512");
  });

  test("a wrong checksum", () => {
    const bytes = Buffer.from(disk);
    bytes.writeUInt8(1, 1024 + 60);
    expect(() => readGpt(bytes, "disk", diskSize)).toThrow("checksum of the entries");
  });

  test("damaged tables are refused at an offset, or measured", () => {
    const outcome = fuzz(
      (random) => {
        const bytes = mutate(disk, random, 512, 1024 + 256);
        return random(8) === 0 ? bytes : repaired(bytes);
      },
      (bytes) => gptEvent(readGpt(bytes, "disk", diskSize)),
    );
    expect(outcome.refused).toBeGreaterThan(5000);
    expect(outcome.messages.size).toBeGreaterThan(12);
  });
});
