import { execFileSync } from "node:child_process";
import { createPrivateKey, hash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { encode } from "cbor2";
import { afterAll, describe, expect, test } from "vitest";
import { eifOf } from "../../src/build/eif.js";
import { decodeCbor } from "../../src/codecs/cbor.js";
import { readEif } from "../../src/codecs/eif.js";
import { readEifSignature, signEif } from "../../src/codecs/eif-signature.js";
import { type EifContents, writeEif } from "../../src/codecs/eif-write.js";
import { ByteReader } from "../../src/lib/bytes.js";
import { measure } from "../../src/measure/measure.js";
import { predictNitro } from "../../src/measure/nitro/pcrs.js";
import vectors from "../vectors/eif.json" with { type: "json" };
import { readInput, readSmallInput } from "../vectors/read-input.js";
import { fuzz } from "./fuzz.js";
import { mutate } from "./mutate.js";

const dir = mkdtempSync(join(tmpdir(), "hal-eif-"));
afterAll(() => rmSync(dir, { recursive: true }));

const contents: EifContents = {
  kernel: Buffer.from("KERNEL-BYTES"),
  cmdline: "console=ttyS0",
  ramdisks: [Buffer.from("ramdisk-one"), Buffer.from("ramdisk-two")],
  metadata: {
    imageName: "cocos",
    imageVersion: "1",
    buildTime: 0,
    buildTool: "cocos",
    buildToolVersion: "0.0.0",
    operatingSystem: "Linux",
    kernelVersion: "6.1.0",
  },
};
const unsigned = Buffer.concat(writeEif(contents));

/** A key and a self-signed certificate by OpenSSL. */
function signer(curve: string) {
  const at = (name: string) => join(dir, `${curve}-${name}`);
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      `ec_paramgen_curve:${curve}`,
      "-nodes",
      "-keyout",
      at("key"),
      "-out",
      at("cert"),
      "-subj",
      "/CN=hal",
      "-days",
      "2",
    ],
    { stdio: "ignore" },
  );
  return { key: readFileSync(at("key"), "utf8"), certificate: readFileSync(at("cert"), "utf8"), certificateFile: at("cert") };
}
const p384 = signer("secp384r1");
const signed = Buffer.concat(await eifOf(contents, p384));

function pcrs(image: Parameters<typeof predictNitro>[0]): Record<string, string> {
  return Object.fromEntries(predictNitro(image).values.map(({ register, value }) => [register.toUpperCase(), value]));
}

describe("PCRs that a running enclave held", () => {
  test("two ramdisks", () => {
    expect(pcrs(readEif(unsigned, "a.eif"))).toEqual(vectors["tiny.eif"].pcrs);
  });
});

describe("a second reader, in Perl", () => {
  const read = (name: string, bytes: Uint8Array) => {
    const file = join(dir, name);
    writeFileSync(file, bytes);
    const script = fileURLToPath(new URL("read-eif.pl", import.meta.url));
    return execFileSync("perl", [script, file], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).split("\n");
  };
  const sections = [
    "section kernel 12",
    "section cmdline 13",
    expect.stringMatching(/^section metadata \d+$/),
    "section ramdisk 11",
    "section ramdisk 11",
  ];

  test.each([
    ["unsigned", unsigned, []],
    ["signed", signed, [expect.stringMatching(/^section signature \d+$/)]],
  ])("finds the same header, sections, checksum and PCRs: %s", (name, bytes, more) => {
    const values = Object.entries(vectors["tiny.eif"].pcrs).map(([register, value]) => `${register.toLowerCase()} ${value}`);
    expect(read(`${name}.eif`, bytes)).toEqual(["version 4 flags 0 memory 1073741824 cpus 2", ...sections, ...more, ...values, ""]);
  });

  test("notices a changed byte", () => {
    const changed = Buffer.from(unsigned);
    changed.writeUInt8(changed.readUInt8(560) ^ 1, 560);
    expect(() => read("changed.eif", changed)).toThrow(/checksum/);
  });
});

describe("EIF files of the vectors", () => {
  test("a file by another writer is read and measured", () => {
    const bytes = readSmallInput("tiny.eif");
    const eif = readEif(bytes, "tiny.eif");
    expect(eif.crc.toString(16)).toBe(vectors["tiny.eif"].crc32);
    expect(Buffer.from(eif.metadata ?? []).toString()).toBe(vectors["tiny.eif"].inputs.metadata);
    expect(pcrs(eif)).toEqual(vectors["tiny.eif"].pcrs);
  });

  test("the writer makes the same file from the same parts", () => {
    const expected = vectors["debian61-one-ramdisk"];
    const parts = writeEif({
      ...contents,
      kernel: readInput("vmlinuz-6.1.0-56-cloud-amd64"),
      cmdline: expected.inputs.cmdline,
      ramdisks: [readInput("initrd-busybox.cpio.gz")],
    });
    const bytes = Buffer.concat(parts);
    expect(hash("sha256", bytes)).toBe(expected.sha256);
    expect(pcrs(readEif(bytes, "debian.eif"))).toEqual(expected.pcrs);
  });
});

describe("signatures", () => {
  test("CBOR by AWS's tool is decoded and encoded to the same bytes", () => {
    for (const hex of [vectors.signatureEncoding.pcrInfo, vectors.signatureEncoding.section]) {
      const decoded = decodeCbor(new ByteReader(Buffer.from(hex, "hex"), "cbor"));
      expect(Buffer.from(encode(decoded)).toString("hex")).toBe(hex);
    }
  });

  test("have the bytes of the frozen vector", () => {
    const { certificate, size, sha256 } = vectors.signatureSection;
    // The number of RFC 6979, appendix A.2.6, as a key in SEC 1 (RFC 5915).
    const number = "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5";
    const der = Buffer.from(`303e0201010430${number}a00706052b81040022`, "hex");
    const key = createPrivateKey({ key: der, format: "der", type: "sec1" }).export({ format: "pem", type: "pkcs8" }).toString();
    const pcr0 = Buffer.from(Array.from({ length: 48 }, (_, index) => index)).toString("hex");
    const section = signEif(pcr0, { key, certificate });
    expect(Buffer.from(section.subarray(0, 60)).toString("hex")).toMatch(/^81a2737369676e696e675f636572746966696361746599/);
    expect([section.length, hash("sha256", section)]).toEqual([size, sha256]);
  });

  test.each([
    ["a length that is not in its shortest form", "1805"],
    ["an indefinite length", "9fff"],
    ["a tag", "c101"],
    ["a tag for a byte array", "d84041ab"],
    ["a float", "f93c00"],
    ["a truth value", "f5"],
    ["undefined", "f7"],
    ["a number of 64 bits", "1b0020000000000000"],
    ["text that is not UTF-8", "61ff"],
    ["a key that is an array", "a18000"],
    ["an early end", "4201"],
    ["no bytes", ""],
    ["a key twice", "a201000100"],
    ["more items than bytes", "9affffffff"],
    ["deep nesting", `${"81".repeat(20)}00`],
    ["something after the end", "0000"],
  ])("CBOR with %s is refused", (_, hex) => {
    const reader = new ByteReader(Buffer.from(hex, "hex"), "signed.eif", 560);
    expect(() => decodeCbor(reader)).toThrow(
      expect.objectContaining({ kind: "input", message: expect.stringMatching(/^CBOR: /), at: { file: "signed.eif", offset: 560 } }),
    );
  });

  test("verify, and change no PCR but 8", () => {
    const eif = readEif(signed, "signed.eif");
    const signature = readEifSignature(eif);
    const values = pcrs({ ...eif, ...(signature === undefined ? {} : { certificate: signature.certificate }) });
    expect(values).toMatchObject(vectors["tiny.eif"].pcrs);
    expect(signature?.pcr0).toBe(values.PCR0);
    const der = execFileSync("openssl", ["x509", "-in", p384.certificateFile, "-outform", "DER"]);
    expect(values.PCR8).toBe(hash("sha384", Buffer.concat([Buffer.alloc(48), hash("sha384", der, "buffer")])));
  });

  test("are the same in every build", async () => {
    expect(Buffer.concat(writeEif(contents))).toEqual(unsigned);
    expect(Buffer.concat(await eifOf(contents, p384))).toEqual(signed);
  });

  test("in a file give PCR 8, and are refused when they sign another image", async () => {
    const file = join(dir, "signed.eif");
    const request = {
      platforms: ["nitro"],
      eif: file,
      initrds: [],
      vcpus: [1],
      boot: "direct",
      nativeZero: false,
      guest: "plain",
    } as const;
    writeFileSync(file, signed);
    const { values, notPredicted } = await measure(request);
    expect(values.map(({ register }) => register)).toEqual(["pcr0", "pcr1", "pcr2", "pcr8"]);
    expect(notPredicted.map(({ register }) => register)).toEqual(["pcr3", "pcr4"]);
    const other = Buffer.from(signed);
    const kernel = readEif(signed, "signed.eif").kernel;
    kernel.forEach((byte, index) => {
      other.writeUInt8(byte ^ 1, kernel.byteOffset - signed.byteOffset + index);
    });
    writeFileSync(file, repaired(other));
    await expect(measure(request)).rejects.toThrow(/EIF signature.*signs PCR 0/);
  });

  test("of another PCR 0 are refused", () => {
    const other = Buffer.from(signed);
    const eif = readEif(other, "signed.eif");
    const start = (eif.signature?.offset ?? 0) + 12;
    const last = other.length - 1;
    other[last] = (other[last] ?? 0) ^ 1;
    expect(start).toBeLessThan(last);
    expect(() => readEifSignature(readEif(repaired(other), "signed.eif"))).toThrow("does not verify");
  });

  test("need a P-384 key that belongs to the certificate", async () => {
    const p256 = signer("prime256v1");
    const second = { ...p384, key: execFileSync("openssl", ["ecparam", "-name", "secp384r1", "-genkey", "-noout"], { encoding: "utf8" }) };
    await expect(eifOf(contents, p256)).rejects.toThrow("not an EC key on P-384");
    await expect(eifOf(contents, second)).rejects.toThrow("does not match");
    await expect(eifOf(contents, { ...p384, certificate: "x" })).rejects.toThrow("not an X.509 certificate");
  });
});

/** Corrects the checksum, so that the reader reaches the damaged field. */
function repaired(bytes: Buffer): Buffer {
  if (bytes.length >= 548) bytes.writeUInt32BE(crc32(bytes.subarray(548), crc32(bytes.subarray(0, 544))), 544);
  return bytes;
}

describe("malformed files", () => {
  test.each<[string, (bytes: Buffer) => Buffer | number, string]>([
    ["magic", (bytes) => bytes.write(".elf"), ".eif"],
    ["version", (bytes) => bytes.writeUInt16BE(3, 4), "version 3"],
    ["flags", (bytes) => bytes.writeUInt16BE(2, 6), "unknown flags"],
    ["no sections", (bytes) => bytes.writeUInt16BE(0, 26), "the number of sections is 0"],
    ["too many sections", (bytes) => bytes.writeUInt16BE(33, 26), "33 sections"],
    ["section in the header", (bytes) => bytes.writeUInt32BE(0, 32), "previous part ends"],
    ["two at one place", (bytes) => bytes.writeUInt32BE(548, 40), "previous part ends"],
    ["sizes differ", (bytes) => bytes.writeUInt32BE(1, 288), "another size"],
    ["unknown type", (bytes) => bytes.writeUInt16BE(9, 548), "unknown type 9"],
    ["second kernel", (bytes) => bytes.writeUInt16BE(1, 548 + 12 + 12), "second section kernel"],
    ["something after the end", (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]), "follow the last"],
  ])("%s", (_, damage, message) => {
    const bytes = Buffer.from(unsigned);
    const result = damage(bytes);
    expect(() => readEif(repaired(typeof result === "number" ? bytes : result), "a.eif")).toThrow(message);
  });

  test("checksum", () => {
    const bytes = Buffer.from(unsigned);
    bytes.writeUInt8(0, 560);
    expect(() => readEif(bytes, "a.eif")).toThrow("checksum");
  });

  test("damaged files are refused at an offset, or measured", () => {
    const outcome = fuzz(
      (random) => {
        const bytes = mutate(unsigned, random, random(2) === 0 ? 0 : 544, unsigned.length);
        return random(8) === 0 ? bytes : repaired(bytes);
      },
      (bytes) => predictNitro(readEif(bytes, "a.eif")),
    );
    expect(outcome.refused).toBeGreaterThan(5000);
    expect(outcome.messages.size).toBeGreaterThan(12);
  });

  test("damaged signatures are refused at an offset", () => {
    const start = readEif(signed, "signed.eif").signature?.offset ?? 0;
    const outcome = fuzz(
      (random) => repaired(mutate(signed, random, start + 12, start + 12 + (random(2) === 0 ? 60 : signed.length))),
      (bytes) => readEifSignature(readEif(bytes, "signed.eif")),
      5000,
    );
    expect(outcome.messages.size).toBeGreaterThan(8);
  });
});
