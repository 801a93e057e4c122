import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { apResetEip, hashesTableGpa, readFirmware } from "../../src/codecs/ovmf.js";
import { readSevMetadata } from "../../src/codecs/sev-metadata.js";
import { cpuSignature } from "../../src/measure/sev/cpu-models.js";
import { hashesTable, hashesTableSize, hashKernel } from "../../src/measure/sev/hashes-table.js";
import { emptyLaunchDigest, extendLaunchDigest } from "../../src/measure/sev/snp-pages.js";
import { vmsaPage } from "../../src/measure/sev/vmsa.js";
import { readInput } from "./read-input.js";
import vectors from "./snp-parts.json" with { type: "json" };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe.each(vectors.firmware)("the SEV-SNP metadata of $firmware", (vector) => {
  const read = () => readFirmware(readInput(vector.firmware), vector.firmware);

  test("sections, reset address of the other vCPUs, address of the hashes table", () => {
    const firmware = read();
    const address = (value: bigint) => `0x${value.toString(16)}`;
    expect(readSevMetadata(firmware).map(({ type, gpa, size }) => [type, address(gpa), address(BigInt(size))])).toEqual(vector.sections);
    expect(address(BigInt(apResetEip(firmware)))).toBe(vector.apResetEip);
    const table = hashesTableGpa(firmware, hashesTableSize);
    expect(table === undefined ? null : address(table)).toBe(vector.hashesTable);
  });

  test("the launch digest after the firmware's own pages", () => {
    const { gpa, reader } = read();
    expect(reader.length).toBe(vector.size);
    const region = { type: "normal", gpa, size: reader.length, data: reader.bytes, what: "firmware", from: "firmware" } as const;
    expect(hex(extendLaunchDigest(emptyLaunchDigest, [region]))).toBe(vector.digestOfPages);
  });
});

test.each(vectors.vmsa)("the registers of the $vcpu vCPU", ({ eip, cpu, features, sha384 }) => {
  expect(hash("sha384", vmsaPage(Number(eip), cpuSignature(cpu), BigInt(features)))).toBe(sha384);
});

test("the table of hashes of kernel, initrd and command line", () => {
  const { kernel, initrd, cmdline, hex: expected } = vectors.hashesTable;
  expect(hex(hashesTable(hashKernel({ kernel: readInput(kernel), initrd: readInput(initrd), cmdline })))).toBe(expected);
});

test.each(vectors.cpuSignatures)("the signature of %s is %s", (model = "", signature) => {
  expect(`0x${cpuSignature(model).toString(16)}`).toBe(signature);
});
