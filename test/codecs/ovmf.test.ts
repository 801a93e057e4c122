import { describe, expect, it } from "vitest";
import { apResetEip, firmwareGuids, hashesTableGpa, readFirmware } from "../../src/codecs/ovmf.js";
import { readSevMetadata } from "../../src/codecs/sev-metadata.js";
import { readTdvfMetadata } from "../../src/codecs/tdvf.js";
import { snpLaunchDigest } from "../../src/measure/sev/snp-digest.js";
import { mrtd } from "../../src/measure/tdx/mrtd.js";
import vectors from "../vectors/mrtd.json" with { type: "json" };
import { readInput } from "../vectors/read-input.js";
import { buildFirmware, sevSections, tdvfSections } from "./build-firmware.js";
import { fuzz } from "./fuzz.js";
import { mutate } from "./mutate.js";

const small = buildFirmware();
const footerEnd = small.length - 32;
const footerStart = small.length - 32 - 18;

function edited(edit: (bytes: Buffer) => void, plan = {}): Buffer {
  const bytes = buildFirmware(plan);
  edit(bytes);
  return bytes;
}

describe("the table at the end of the firmware", () => {
  it("gives its entries", () => {
    const firmware = readFirmware(small, "fw.fd");
    expect(firmware.gpa).toBe(0xffffc000n);
    expect([...firmware.entries.keys()]).toEqual([
      firmwareGuids.apResetEip,
      firmwareGuids.hashesTable,
      firmwareGuids.sevMetadata,
      firmwareGuids.tdvfMetadata,
    ]);
    expect(apResetEip(firmware)).toBe(0x80b004);
    expect(hashesTableGpa(firmware, 176)).toBe(0x806c00n);
  });

  it("may be missing; then the firmware has no entries", () => {
    const firmware = readFirmware(new Uint8Array(4096), "fw.fd");
    expect(firmware.entries.size).toBe(0);
    expect(hashesTableGpa(firmware, 176)).toBeUndefined();
    expect(() => apResetEip(firmware)).toThrow(/SEV-ES reset block: the firmware's table has no entry/);
    expect(() => readSevMetadata(firmware)).toThrow(/SEV metadata: the firmware's table has no entry/);
    expect(() => readTdvfMetadata(firmware)).toThrow(/TDVF metadata: the firmware's table has no entry/);
  });

  it.each([
    ["no byte", new Uint8Array(), 0, /multiple of 4096/],
    ["a size off the page", small.subarray(1), small.length - 1, /multiple of 4096/],
    ["more than 16 MiB", new Uint8Array(16 * 1024 * 1024 + 4096), 16 * 1024 * 1024, /more than QEMU accepts/],
    ["a table larger than the file", edited((bytes) => bytes.writeUInt16LE(0xffff, footerStart)), footerStart, /65535 bytes does not fit/],
    ["a table smaller than its footer", edited((bytes) => bytes.writeUInt16LE(17, footerStart)), footerStart, /17 bytes does not fit/],
    ["an entry of no bytes", edited((bytes) => bytes.writeUInt16LE(0, footerStart - 18)), footerStart - 18, /length of 0 bytes/],
    ["an entry larger than the table", edited((bytes) => bytes.writeUInt16LE(0x400, footerStart - 18)), footerStart - 18, /length of 1024/],
    ["a cut entry", edited((bytes) => bytes.writeUInt16LE(18 + 22 + 9, footerStart)), footerStart - 31, /9 bytes are too few/],
    [
      "the same entry twice",
      edited((bytes) => bytes.copy(bytes, footerStart - 22 - 16, footerStart - 16, footerStart)),
      footerStart - 22 - 18,
      /a second entry 00f771de/,
    ],
  ])("refuses %s", (_, bytes, offset, message) => {
    expect(() => readFirmware(bytes, "fw.fd")).toThrow(
      expect.objectContaining({ kind: "input", at: { file: "fw.fd", offset }, message: expect.stringMatching(message) }),
    );
  });

  it("refuses an offset before the start of the file", () => {
    const bytes = edited((file) => file.writeUInt32LE(0x5000, footerStart - 22 - 26 - 22));
    expect(() => readSevMetadata(readFirmware(bytes, "fw.fd"))).toThrow(/is before the start/);
  });
});

describe("SEV metadata", () => {
  const at = small.length - 0x400;
  const read = (bytes: Buffer) => readSevMetadata(readFirmware(bytes, "fw.fd"));

  it("gives the sections in file order", () => {
    expect(read(small).map(({ type, gpa, size }) => [type, gpa, size])).toEqual([
      ["secMemory", 0x800000n, 0x3000],
      ["secrets", 0x803000n, 0x1000],
      ["cpuid", 0x804000n, 0x1000],
      ["svsmCallingArea", 0x805000n, 0x1000],
      ["secMemory", 0n, 0],
      ["kernelHashes", 0x806000n, 0x1000],
    ]);
  });

  const section = (change: object) => buildFirmware({ sev: sevSections.with(0, Object.assign({}, sevSections[0], change)) });
  it.each([
    ["another signature", edited((bytes) => bytes.write("ASEX", at)), at, /is not ASEV/],
    ["another version", edited((bytes) => bytes.writeUInt32LE(2, at + 8)), at + 8, /2 is not supported/],
    ["more sections than its size", edited((bytes) => bytes.writeUInt32LE(7, at + 12)), at + 4, /exactly 7 sections/],
    [
      "more sections than the file",
      edited((bytes) => {
        bytes.writeUInt32LE(16 + 12 * 0x1000, at + 4);
        bytes.writeUInt32LE(0x1000, at + 12);
      }),
      at,
      /needs 49168 bytes/,
    ],
    ["an unknown section", section({ type: 5 }), at + 24, /type 5 is not known/],
    ["an address off the page", section({ gpa: 0x800001 }), at + 16, /0x800001 is not page aligned/],
    ["a size off the page", section({ size: 0x1001 }), at + 20, /size 0x1001/],
    ["a huge size", section({ size: 0xfffff000 }), at + 20, /size 0xfffff000/],
    ["two secrets pages", section({ type: 2, size: 0x2000 }), at + 20, /a secrets section is one page/],
    ["overlapping sections", section({ size: 0x4000 }), at + 28, /memory at 0x803000 overlaps 0x800000/],
    ["a section twice", section({ gpa: 0x803000, size: 0x1000 }), at + 28, /memory at 0x803000 overlaps/],
    ["a section over the firmware", section({ gpa: 0xffffb000 }), at, /the firmware itself at 0xffffc000 overlaps/],
  ])("refuses %s", (_, bytes, offset, message) => {
    expect(() => read(bytes)).toThrow(
      expect.objectContaining({ kind: "input", at: { file: "fw.fd", offset }, message: expect.stringMatching(message) }),
    );
  });
});

describe("TDVF metadata", () => {
  const at = small.length - 0x800;
  const read = (bytes: Buffer) => readTdvfMetadata(readFirmware(bytes, "fw.fd"));

  it("gives the sections in file order", () => {
    expect(read(small).map(({ type, gpa, size, data, extend, augment }) => [type, gpa, size, data.length, extend, augment])).toEqual([
      ["BFV", 0xffffd000n, 0x3000, 0x3000, true, false],
      ["CFV", 0xffffc000n, 0x1000, 0x1000, false, false],
      ["TEMP_MEM", 0x800000n, 0x2000, 0, false, false],
      ["TEMP_MEM", 0x900000n, 0x4000, 0, false, true],
      ["TD_HOB", 0x802000n, 0x1000, 0, false, false],
    ]);
  });

  const section = (change: object) => buildFirmware({ tdvf: tdvfSections.with(0, Object.assign({}, tdvfSections[0], change)) });
  it.each([
    ["another signature", edited((bytes) => bytes.write("TDVX", at)), at, /is not TDVF/],
    ["another version", edited((bytes) => bytes.writeUInt32LE(2, at + 8)), at + 8, /2 is not supported/],
    ["more sections than its size", edited((bytes) => bytes.writeUInt32LE(6, at + 12)), at + 4, /exactly 6 sections/],
    ["a section that QEMU does not launch", section({ type: 4 }), at + 40, /type 4/],
    ["an address off the page", section({ gpa: 0xffffd001n }), at + 24, /is not page aligned/],
    ["an address beyond 52 bits", section({ gpa: 1n << 52n }), at + 24, /beyond 52 bits/],
    ["a size off the page", section({ size: 0x3001n }), at + 32, /size 0x3001/],
    ["a huge size", section({ size: 1n << 40n }), at + 32, /is not a number of pages/],
    ["more data than memory", section({ dataSize: 0x3001 }), at + 20, /12289 bytes of data do not fit/],
    ["data outside the file", section({ dataOffset: 0x3000 }), 0x3000, /needs 12288 bytes/],
    ["measured memory with data for a part of it", section({ dataSize: 0x2000 }), at + 20, /8192 bytes of data for 12288 measured/],
    ["a boot volume without data", section({ dataSize: 0 }), at + 20, /a BFV section with 0 bytes/],
    ["work memory with data", section({ type: 3 }), at + 20, /a TEMP_MEM section with 12288 bytes/],
    ["unknown attributes", section({ attributes: 4 }), at + 44, /attributes 0x4/],
    ["measured memory that is added later", section({ attributes: 3 }), at + 44, /both measured and added after launch/],
    ["overlapping sections", section({ gpa: 0xffffb000n }), at + 48, /memory at 0xffffc000 overlaps/],
  ])("refuses %s", (_, bytes, offset, message) => {
    expect(() => read(bytes)).toThrow(
      expect.objectContaining({ kind: "input", at: { file: "fw.fd", offset }, message: expect.stringMatching(message) }),
    );
  });
});

describe("TDVF metadata of Debian's OVMF builds", () => {
  it.each(vectors.vectors)("$firmware", ({ firmware, sections }) => {
    const read = readTdvfMetadata(readFirmware(readInput(firmware), firmware));
    expect(read.map(({ gpa, size, data, extend }) => [gpa, size, data.length, extend])).toEqual(
      sections.map(({ gpa, size, raw, attr }) => [BigInt(gpa), size, raw, attr === 1]),
    );
  });
});

describe("20,000 damaged firmware files each", () => {
  const launch = { vcpus: 2, cpuModel: "EPYC-v4", guestFeatures: 1n };

  it.each([
    { what: "in the table", from: footerEnd - 128, to: footerEnd, read: "snp", reasons: 8 },
    { what: "in the SEV metadata", from: small.length - 0x400, to: small.length - 0x400 + 96, read: "snp", reasons: 12 },
    { what: "in the TDVF metadata", from: small.length - 0x800, to: small.length - 0x800 + 184, read: "mrtd", reasons: 14 },
  ])("$what", ({ from, to, read, reasons }) => {
    const outcome = fuzz(
      (random) => mutate(small, random, from, to),
      (bytes) => {
        const firmware = readFirmware(bytes, "fw.fd");
        return read === "snp" ? snpLaunchDigest({ firmware, ...launch }) : mrtd(firmware, "single");
      },
    );
    expect(outcome.messages.size).toBeGreaterThanOrEqual(reasons);
    expect(outcome.accepted).toBeGreaterThan(100);
    expect(outcome.refused).toBeGreaterThan(1000);
  });
});
