import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { readFirmware } from "../../src/codecs/ovmf.js";
import { readTdvfMetadata } from "../../src/codecs/tdvf.js";
import { type MrtdOrder, mrtd } from "../../src/measure/tdx/mrtd.js";
import { buildFirmware } from "../codecs/build-firmware.js";
import vectors from "../vectors/mrtd.json" with { type: "json" };
import { readInput } from "../vectors/read-input.js";

describe("MRTD of Debian's OVMF builds", () => {
  it.each(vectors.vectors)("$firmware", (vector) => {
    const firmware = readFirmware(readInput(vector.firmware), vector.firmware);
    expect(mrtd(firmware, "two").digest).toBe(vector.two);
    expect(mrtd(firmware, "single").digest).toBe(vector.single);
  });

  // The firmware volume with the variables: its digest is an event of RTMR0.
  it.each(vectors.vectors)("the CFV section of $firmware", (vector) => {
    const cfv = readTdvfMetadata(readFirmware(readInput(vector.firmware), vector.firmware)).find(({ type }) => type === "CFV");
    expect(
      createHash("sha384")
        .update(cfv?.data ?? "")
        .digest("hex"),
    ).toBe(vector.cfvSha384);
  });
});

describe("MRTD of a small firmware", () => {
  const file = buildFirmware();
  const firmware = readFirmware(file, "fw.fd");

  /** The records as the TDX Module hashes them, spelled out for the sections of buildFirmware(). */
  const record = (name: string, gpa: number) => {
    const bytes = Buffer.alloc(128);
    bytes.write(name, "ascii");
    bytes.writeBigUInt64LE(BigInt(gpa), 16);
    return bytes;
  };
  const add = (gpa: number) => [record("MEM.PAGE.ADD", gpa)];
  const boot = file.subarray(0x1000, 0x4000);
  const extend = (gpa: number) =>
    Array.from({ length: 16 }, (_, chunk) => chunk * 256).flatMap((at) => [
      record("MR.EXTEND", gpa + at),
      boot.subarray(gpa - 0xffffd000 + at, gpa - 0xffffd000 + at + 256),
    ]);
  const bootPages = [0xffffd000, 0xffffe000, 0xfffff000];
  const others = [0xffffc000, 0x800000, 0x801000, 0x802000].flatMap(add);
  const streams: Readonly<Record<MrtdOrder, readonly Buffer[]>> = {
    two: [...bootPages.flatMap(add), ...bootPages.flatMap(extend), ...others],
    single: [...bootPages.flatMap((gpa) => [...add(gpa), ...extend(gpa)]), ...others],
  };

  it.each(["two", "single"] as const)("in the order %s", (order) => {
    const expected = createHash("sha384").update(Buffer.concat(streams[order])).digest("hex");
    expect(mrtd(firmware, order).digest).toBe(expected);
  });

  it("names what enters, in order", () => {
    expect(mrtd(firmware, "two").steps).toEqual([
      {
        register: "mrtd",
        what: "BFV section: addresses and contents",
        digest: createHash("sha384").update(boot).digest("hex"),
        gpa: 0xffffd000n,
        size: 0x3000,
        from: "firmware",
      },
      { register: "mrtd", what: "CFV section: addresses", gpa: 0xffffc000n, size: 0x1000, from: "firmware" },
      { register: "mrtd", what: "TEMP_MEM section: addresses", gpa: 0x800000n, size: 0x2000, from: "firmware" },
      { register: "mrtd", what: "TD_HOB section: addresses", gpa: 0x802000n, size: 0x1000, from: "firmware" },
    ]);
  });
});
