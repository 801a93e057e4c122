import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { firmwareVersionIn, secureBootOf, unpackVolumes } from "../../src/codecs/firmware-volumes.js";
import { decodeLzma } from "../../src/codecs/lzma.js";
import { readFirmware } from "../../src/codecs/ovmf.js";
import { ByteReader } from "../../src/lib/bytes.js";
import { guidBytes } from "../../src/lib/guid.js";
import { actions, registerValues } from "../../src/measure/events.js";
import { firmwareEvents } from "../../src/measure/vtpm/firmware-code.js";
import { predictVtpm } from "../../src/measure/vtpm/pcrs.js";
import vectors from "../vectors/lzma.json" with { type: "json" };
import { readInput } from "../vectors/read-input.js";
import vtpm from "../vectors/vtpm.json" with { type: "json" };
import { buildFirmware } from "./build-firmware.js";
import { buildPe } from "./build-pe.js";
import { fuzz } from "./fuzz.js";
import { u16, u32 } from "./integers.js";
import { mutate } from "./mutate.js";

const streamOf = (base64: string) => Buffer.from(base64, "base64");
const decode = (bytes: Uint8Array) => decodeLzma(new ByteReader(bytes, "stream"), 1 << 20);
const u24 = (value: number) => u32(value).subarray(0, 3);

/** A firmware volume: 72 bytes of header, then files. */
function volume(fileSystem: string, size: number, ...files: readonly Buffer[]): Buffer {
  const header = Buffer.concat([
    Buffer.alloc(16),
    guidBytes(fileSystem),
    u32(size),
    u32(0),
    Buffer.from("_FVH"),
    u32(0),
    u16(72),
    Buffer.alloc(22),
  ]);
  return Buffer.concat([header, ...files, Buffer.alloc(size, 0xff)], size);
}

function file(type: number, body: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(18), Buffer.of(type, 0), u24(body.length + 24), Buffer.alloc(1), body]);
  return Buffer.concat([bytes], Math.ceil(bytes.length / 8) * 8);
}

/** Firmware with compressed sections, and variables at its start. */
function packedFirmware(stream: string, variables: Buffer = Buffer.alloc(0)): Buffer {
  const packed = streamOf(stream);
  const section = Buffer.concat([
    u24(packed.length + 24),
    Buffer.of(2),
    guidBytes("ee4e5898-3914-4259-9d6e-dc7bd79403cf"),
    u16(24),
    u16(1),
    packed,
  ]);
  return Buffer.concat([
    volume("fff12b8d-7696-4c8b-a985-2747075b4f50", 0x1000, variables),
    volume("8c8ce578-8a3d-4f1c-9935-896185c32dd3", 0x2000, file(0xf0, Buffer.alloc(20)), file(0x0b, section)),
    volume("8c8ce578-8a3d-4f1c-9935-896185c32dd3", 0x1000, file(0x03, Buffer.alloc(40))),
  ]);
}
const bytes = packedFirmware(vectors.sections.stream);
const firmware = () => readFirmware(bytes, "OVMF.fd");

describe("LZMA", () => {
  test.each(vectors.streams)("$name, lc $lc lp $lp pb $pb: what liblzma packed", ({ stream, size, sha256 }) => {
    const decoded = decode(streamOf(stream));
    expect(decoded.length).toBe(size);
    expect(hash("sha256", decoded)).toBe(sha256);
  });

  test.each<[string, (stream: Buffer) => unknown, string]>([
    ["too large", (stream) => stream.writeBigUInt64LE(1n << 40n, 5), "1099511627776 bytes when unpacked"],
    ["no known properties", (stream) => stream.writeUInt8(225, 0), "properties byte 0xe1"],
    ["a first byte that is not zero", (stream) => stream.writeUInt8(1, 13), "zero byte"],
    ["more than there is", (stream) => stream.writeBigUInt64LE(1n << 19n, 5), "end"],
    ["less than there is", (stream) => stream.writeBigUInt64LE(stream.readBigUInt64LE(5) - 1n, 5), "unpacks to more bytes than it states"],
  ])("refuses %s", (_, damage, message) => {
    const stream = streamOf(vectors.streams[0]?.stream ?? "");
    damage(stream);
    expect(() => decode(stream)).toThrow(message);
  });

  // Found by fuzzing: each refers to the byte before its start.
  test.each([
    ["XQAAAAAUAAAAAAAAAAAxzAp/YEkjA8xMs+tQtPeRrP5q3HYmt4rhPA==", "refers to 2 bytes before byte 1"],
    ["XQAAAAAUAAAAAAAAAAByMsj1Q2/UVqgVTfn/ZVNwxjHlmI4ZC5VPTw==", "refers to 4 bytes before byte 3"],
  ])("refuses a reference before the start: %s", (stream, message) => {
    expect(() => decode(streamOf(stream))).toThrow(message);
  });

  test("damaged streams are refused at an offset, or unpacked", () => {
    const stream = streamOf(vectors.streams[1]?.stream ?? "");
    const outcome = fuzz((random) => mutate(stream, random, 0, random(2) === 0 ? 20 : stream.length), decode, 5000);
    expect(outcome.refused).toBeGreaterThan(1000);
    expect(outcome.messages.size).toBeGreaterThan(4);
  });
});

describe("OVMF's compressed volumes", () => {
  test("are found and unpacked", () => {
    const { pei, dxe } = unpackVolumes(firmware());
    expect([hash("sha256", pei), hash("sha256", dxe)]).toEqual([vectors.sections.pei, vectors.sections.dxe]);
  });

  test("belong to exactly one version", () => {
    expect(firmwareEvents(firmware(), "2026.08+ds-2")).toHaveLength(3);
    for (const version of ["2026.08", "08+ds-2", "2026.08+ds-3"])
      expect(() => firmwareEvents(firmware(), version)).toThrow(`does not state the version '${version}'`);
  });

  test("state the release, if they have one", () => {
    expect(firmwareVersionIn(firmware())).toBe("2026.08+ds-2");
    expect(firmwareVersionIn(readFirmware(buildFirmware(), "other.fd"))).toBeUndefined();
  });

  test("damaged firmware is refused at an offset, or unpacked", () => {
    const outcome = fuzz(
      (random) => {
        const copy = Buffer.from(bytes);
        // Headers of volumes, files and sections, or anything; the length stays a whole number of pages.
        const [from, to] = [
          [0x10, 0x48],
          [0x1010, 0x10a0],
          [0x1000, bytes.length],
        ][random(3)] as [number, number];
        return Buffer.concat([mutate(copy, random, from, to)], bytes.length);
      },
      (copy) => unpackVolumes(readFirmware(copy, "OVMF.fd")),
    );
    expect(outcome.refused).toBeGreaterThan(5000);
    expect(outcome.messages.size).toBeGreaterThan(12);
  });
});

const boot = {
  boot: "direct",
  kernel: { file: "k", bytes: buildPe([{ name: ".text", data: Buffer.alloc(4096) }]) },
  cmdline: "quiet",
  memory: 2 ** 30,
  qemuVersion: "10.0",
} as const;

describe("PCR 0", () => {
  test("is the version, both volumes and the separator", () => {
    const { values } = predictVtpm({ ...boot, firmware: firmware(), firmwareVersion: "2026.08+ds-2" });
    const steps = values.find(({ register, bank }) => register === "pcr0" && bank === "sha256")?.steps;
    expect(steps?.slice(1).map(({ digest }) => digest)).toEqual([
      vectors.sections.pei,
      vectors.sections.dxe,
      hash("sha256", Buffer.alloc(4)),
    ]);
  });

  test.each([
    ["no firmware is given", undefined, "2026.08+ds-2", /no firmware .* is given/],
    ["the release changes its volumes in memory", firmware(), "2025.02", /with edk2 2026.08 only/],
    ["the release is not known", firmware(), "2026.11", /with edk2 2026.08 only/],
    ["the firmware has another version", firmware(), "2026.08+ds-3", /does not state the version '2026.08\+ds-3'/],
    ["hal cannot unpack the firmware", readFirmware(buildFirmware(), "other.fd"), "2026.08", /no signature _FVH/],
  ])("has a reason where %s", (_, given, firmwareVersion, why) => {
    const { values, notPredicted } = predictVtpm({ ...boot, firmwareVersion, ...(given === undefined ? {} : { firmware: given }) });
    expect(values.map(({ register }) => register)).not.toContain("pcr0");
    expect(notPredicted.find(({ register }) => register === "pcr0")?.why).toMatch(why);
  });
});

describe("Secure Boot", () => {
  const key = Buffer.concat([guidBytes("8be4df61-93ca-11d2-aa0d-00e098032b8c"), Buffer.from("PK\0", "utf16le"), Buffer.alloc(800)]);
  const of = (stream: string, variables?: Buffer) => readFirmware(packedFirmware(stream, variables), "OVMF.fd");

  test.each([
    ["has no variable in firmware without it", of(vectors.sections.stream), "absent"],
    ["is off in firmware without keys", of(vectors.secureBoot.stream), "disabled"],
    ["is on with keys", of(vectors.secureBoot.stream, key), "keys"],
    ["is not known for firmware that hal cannot unpack", readFirmware(buildFirmware(), "other.fd"), undefined],
  ])("%s", (_, given, expected) => {
    expect(secureBootOf(given)).toBe(expected);
  });

  test("is in PCR 7 for each state of the firmware; with keys, PCR 7 has no value", () => {
    const pcr7 = (given?: ReturnType<typeof readFirmware>, firmwareVersion = "2025.02") => {
      const { values, notPredicted } = predictVtpm({ ...boot, firmwareVersion, ...(given === undefined ? {} : { firmware: given }) });
      const value = values.find(({ register, bank }) => register === "pcr7" && bank === "sha256")?.value;
      return value ?? notPredicted.find(({ register }) => register === "pcr7")?.why;
    };
    const [absent, disabled] = [pcr7(undefined, "2025.02"), pcr7(undefined, "2022.11")];
    expect(absent).not.toBe(disabled);
    for (const version of ["2022.11", "2025.02"]) {
      expect(pcr7(of(vectors.sections.stream), version)).toBe(absent);
      expect(pcr7(of(vectors.secureBoot.stream), version)).toBe(disabled);
      expect(pcr7(of(vectors.secureBoot.stream, key), version)).toMatch(/Secure Boot keys/);
      expect(pcr7(readFirmware(buildFirmware(), "other.fd"), version)).toMatch(/cannot unpack/);
      const apart = { ...boot, firmwareVersion: version, firmware: of(vectors.secureBoot.stream), variables: key };
      expect(predictVtpm(apart).values.map(({ register }) => register)).not.toContain("pcr7");
    }
  });
});

describe("a real firmware", () => {
  test.each([
    ["OVMF-2022.11-6+deb12u2.fd", "disabled"],
    ["OVMF-2025.02-8+deb13u1.fd", "absent"],
    ["OVMF-2026.08+ds-2.fd", "absent"],
    ["OVMF.inteltdx.ms-2026.08+ds-2.fd", "keys"],
  ])("has the Secure Boot state that a TPM held, or keys: %s", (name, expected) => {
    expect(secureBootOf(readFirmware(readInput(name), name))).toBe(expected);
  });

  test.each([
    ["OVMF-2022.11-6+deb12u2.fd", undefined],
    ["OVMF-2025.02-8+deb13u1.fd", "2025.02-8+deb13u1"],
    ["OVMF.inteltdx.ms-2026.08+ds-2.fd", "2026.08+ds-2"],
  ])("states its release: %s", (name, version) => {
    expect(firmwareVersionIn(readFirmware(readInput(name), name))).toBe(version);
  });

  test("has the PCR 0 that a TPM held", () => {
    const [pcr0] = registerValues(
      "pcr0",
      [...firmwareEvents(readFirmware(readInput("OVMF-2026.08+ds-2.fd"), "OVMF.fd"), "2026.08+ds-2"), actions.separator],
      ["sha256"],
    );
    expect(pcr0?.value).toBe(vtpm.boots[2]?.pcr0);
  });
});
