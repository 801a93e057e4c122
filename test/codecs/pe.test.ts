import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readPe } from "../../src/codecs/pe.js";
import { authenticode } from "../../src/measure/vtpm/authenticode.js";
import { readInput } from "../vectors/read-input.js";
import vectors from "../vectors/vtpm.json" with { type: "json" };
import { buildPe, optionalOffset, peOffset, tableOffset } from "./build-pe.js";
import { fuzz } from "./fuzz.js";
import { mutate } from "./mutate.js";

const sections = [
  { name: ".text", data: Buffer.alloc(100, 1) },
  { name: ".data", data: Buffer.alloc(40, 2) },
];

describe("Authenticode", () => {
  const plain = buildPe(sections);
  const digest = (bytes: Buffer) => authenticode(readPe(bytes, "a.efi")).sha256;

  test("skips CheckSum and the directory entry of the certificate table", () => {
    const checksum = optionalOffset + 64;
    const entry = optionalOffset + 112 + 32;
    expect(digest(plain)).toBe(
      hash("sha256", Buffer.concat([plain.subarray(0, checksum), plain.subarray(checksum + 4, entry), plain.subarray(entry + 8)])),
    );
  });

  test("does not change with a signature, but with other trailing bytes", () => {
    expect(digest(buildPe(sections, Buffer.alloc(24, 7)))).toBe(digest(plain));
    expect(digest(buildPe(sections, Buffer.alloc(24, 7), Buffer.alloc(8, 9)))).toBe(digest(Buffer.concat([plain, Buffer.alloc(8, 9)])));
    expect(digest(Buffer.concat([plain, Buffer.alloc(8, 9)]))).not.toBe(digest(plain));
  });

  test("covers the sections in file order", () => {
    const swapped = Buffer.from(plain);
    plain.copy(swapped, tableOffset, tableOffset + 40, tableOffset + 80);
    plain.copy(swapped, tableOffset + 40, tableOffset, tableOffset + 40);
    const checksum = optionalOffset + 64;
    const entry = optionalOffset + 112 + 32;
    expect(digest(swapped)).toBe(
      hash("sha256", Buffer.concat([swapped.subarray(0, checksum), swapped.subarray(checksum + 4, entry), swapped.subarray(entry + 8)])),
    );
  });
});

describe("Authenticode of Debian's kernels", () => {
  test.each([
    ["vmlinuz-6.1.0-56-cloud-amd64", vectors.authenticode.k61],
    ["vmlinuz-6.12.107+deb13-cloud-amd64", vectors.authenticode.k612],
  ])("%s", (name, expected) => {
    expect(authenticode(readPe(readInput(name), name))).toMatchObject(expected);
  });
});

describe("malformed images", () => {
  const image = buildPe(sections, Buffer.alloc(24, 7));
  const word = (offset: number, value: number) => (bytes: Buffer) => bytes.writeUInt32LE(value, offset);
  test.each<[string, (bytes: Buffer) => unknown, string]>([
    ["no MZ", (bytes) => bytes.write("ZM"), "DOS header"],
    ["PE header outside", word(0x3c, 0x7fffffff), "PE signature"],
    ["PE header in the DOS header", word(0x3c, 8), "overlap"],
    ["no sections", (bytes) => bytes.writeUInt16LE(0, peOffset + 6), "0 sections"],
    ["too many sections", (bytes) => bytes.writeUInt16LE(0xffff, peOffset + 6), "65535 sections"],
    ["too many directories", word(optionalOffset + 108, 0xffffffff), "data directories"],
    ["headers too small", word(optionalOffset + 60, 16), "headers of 16 bytes"],
    ["section in the headers", word(tableOffset + 20, 0), "overlaps the headers"],
    ["section beyond the end", word(tableOffset + 16, 0xffffff), "ends at"],
    ["sections overlap", word(tableOffset + 60, 1024), "another section"],
    ["certificates beyond the end", word(optionalOffset + 112 + 36, 4096), "end of the file"],
    [
      "certificates over sections",
      (bytes) => {
        bytes.writeUInt32LE(1024, optionalOffset + 112 + 32);
        bytes.writeUInt32LE(bytes.length - 1024, optionalOffset + 112 + 36);
      },
      "overlaps section data",
    ],
  ])("%s", (_, damage, message) => {
    const bytes = Buffer.from(image);
    damage(bytes);
    expect(() => readPe(bytes, "a.efi")).toThrow(message);
  });

  test("damaged images are refused at an offset, or have a digest", () => {
    const outcome = fuzz(
      (random) => mutate(image, random, 0, tableOffset + 80),
      (bytes) => authenticode(readPe(bytes, "a.efi")),
    );
    expect(outcome.refused).toBeGreaterThan(5000);
    expect(outcome.messages.size).toBeGreaterThan(12);
  });
});
