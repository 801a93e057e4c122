import { describe, expect, it } from "vitest";
import { readFirmware } from "../../src/codecs/ovmf.js";
import { hashKernel } from "../../src/measure/sev/hashes-table.js";
import { snpLaunchDigest } from "../../src/measure/sev/snp-digest.js";
import { buildFirmware, sevSections } from "../codecs/build-firmware.js";
import { readInput } from "../vectors/read-input.js";
import vectors from "../vectors/snp.json" with { type: "json" };

describe("SEV-SNP launch digest of Debian's OVMF builds", () => {
  const kernel = () => hashKernel({ kernel: readInput(vectors.kernel), initrd: readInput(vectors.initrd), cmdline: vectors.cmdline });

  it.each(vectors.vectors)("$firmware $cpu, $vcpus vCPUs, features $features, kernel $kernel", (vector) => {
    const measured = snpLaunchDigest({
      firmware: readFirmware(readInput(vector.firmware), vector.firmware),
      vcpus: vector.vcpus,
      cpuModel: vector.cpu,
      guestFeatures: BigInt(vector.features),
      ...(vector.kernel ? { kernel: kernel() } : {}),
    });
    expect(measured.digest).toBe(vector.digest);
  });

  it.each(["OVMF-2022.11-6+deb12u2.fd", "OVMF-2025.02-8+deb13u1.fd", "OVMF.inteltdx.ms-2026.08+ds-2.fd"])(
    "%s measures no kernel",
    (name) => {
      const launch = { firmware: readFirmware(readInput(name), name), vcpus: 1, cpuModel: "EPYC-v4", guestFeatures: 1n, kernel: kernel() };
      expect(() => snpLaunchDigest(launch)).toThrow(/no kernel hashes table/);
    },
  );
});

describe("what has no SEV-SNP launch digest", () => {
  const kernel = hashKernel({ kernel: Buffer.from("kernel"), cmdline: "" });
  const launch = { vcpus: 1, cpuModel: "EPYC-v4", guestFeatures: 1n };
  const firmware = (plan = {}) => readFirmware(buildFirmware(plan), "fw.fd");

  it.each([
    ["an unknown CPU model", { ...launch, firmware: firmware(), cpuModel: "EPYC-Milam" }, /EPYC-Milam/],
    ["the host's CPU", { ...launch, firmware: firmware(), cpuModel: "host" }, /depends|not known/],
    ["no vCPU", { ...launch, firmware: firmware(), vcpus: 0 }, /vCPU count 0/],
    ["half a vCPU", { ...launch, firmware: firmware(), vcpus: 1.5 }, /vCPU count 1.5/],
    ["too many vCPUs", { ...launch, firmware: firmware(), vcpus: 5000 }, /vCPU count 5000/],
    ["guest features without SNPActive", { ...launch, firmware: firmware(), guestFeatures: 0x20n }, /SNPActive/],
    ["guest features of 65 bits", { ...launch, firmware: firmware(), guestFeatures: (1n << 64n) + 1n }, /64 bits/],
    ["negative guest features", { ...launch, firmware: firmware(), guestFeatures: -1n }, /64 bits/],
    [
      "a kernel, and two pages for its hashes",
      { ...launch, firmware: firmware({ sev: [...sevSections, { gpa: 0x807000, size: 0x1000, type: 0x10 }] }), kernel },
      /a second kernelHashes section/,
    ],
    [
      "a kernel, and no address of the hashes table",
      { ...launch, firmware: firmware({ hashesTable: 0 }), kernel },
      /no kernel hashes table/,
    ],
    [
      "a kernel, and no hashes page",
      { ...launch, firmware: firmware({ sev: sevSections.slice(0, -1) }), kernel },
      /no kernel hashes table/,
    ],
    ["a hashes table after its page", { ...launch, firmware: firmware({ hashesTable: 0x807c00 }), kernel }, /is not inside its page/],
    ["a hashes table before its page", { ...launch, firmware: firmware({ hashesTable: 0x805c00 }), kernel }, /is not inside its page/],
    [
      "a hashes table across its page's end",
      { ...launch, firmware: firmware({ hashesTable: 0x806f80 }), kernel },
      /is not inside its page/,
    ],
  ])("%s", (_, input, message) => {
    expect(() => snpLaunchDigest(input)).toThrow(expect.objectContaining({ kind: "input", message: expect.stringMatching(message) }));
  });
});

describe("the steps of an SEV-SNP launch digest", () => {
  it("names what enters, in order", () => {
    const firmware = readFirmware(buildFirmware(), "fw.fd");
    const kernel = hashKernel({ kernel: Buffer.from("kernel"), cmdline: "" });
    const { steps } = snpLaunchDigest({ firmware, vcpus: 2, cpuModel: "EPYC-v4", guestFeatures: 1n, kernel });
    expect(steps.map(({ what, gpa, size, from }) => [what, gpa, size, from])).toEqual([
      ["firmware: 4 normal pages", 0xffffc000n, 0x4000, "firmware"],
      ["firmware work memory: 3 zero pages", 0x800000n, 0x3000, "firmware"],
      ["secrets: 1 secrets page", 0x803000n, 0x1000, "firmware"],
      ["CPUID values: 1 CPUID page", 0x804000n, 0x1000, "firmware"],
      ["SVSM calling area: 1 zero page", 0x805000n, 0x1000, "firmware"],
      ["SHA-256 of command line, initrd and kernel: 1 normal page", 0x806000n, 0x1000, "kernel, initrd, cmdline"],
      ["vCPU 0 registers: 1 VMSA page", 0xfffffffff000n, 0x1000, "vcpus"],
      ["vCPU 1 registers: 1 VMSA page", 0xfffffffff000n, 0x1000, "vcpus"],
    ]);
    const digests = steps.map(({ digest }) => digest);
    expect(digests.map((digest) => digest?.length)).toEqual([96, undefined, undefined, undefined, undefined, 96, 96, 96]);
    expect(digests[6]).not.toBe(digests[7]);
  });
});
