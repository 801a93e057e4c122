import { describe, expect, it } from "vitest";
import { type Firmware, readFirmware } from "../../src/codecs/ovmf.js";
import { guidBytes } from "../../src/lib/guid.js";
import { hashKernel, type KernelHashes } from "../../src/measure/sev/hashes-table.js";
import { sevEsLaunchDigest, sevLaunchDigest } from "../../src/measure/sev/sev-digest.js";
import { snpLaunchDigest } from "../../src/measure/sev/snp-digest.js";
import { buildFirmware } from "../codecs/build-firmware.js";
import { readInput } from "../vectors/read-input.js";
import real from "../vectors/sev-firmware.json" with { type: "json" };
import synthetic from "../vectors/sev-synthetic.json" with { type: "json" };

interface Vector {
  readonly firmware: string;
  readonly mode: string;
  readonly kernel: boolean;
  readonly initrd: boolean;
  readonly cmdline: string | null;
  readonly cpu?: string;
  readonly vcpus?: number;
  readonly features?: number;
  readonly digest: string;
}

function digest({ mode, cpu = "", vcpus = 0, features = 0 }: Vector, firmware: Firmware, kernel: KernelHashes | undefined): string {
  const launch = { firmware, cpuModel: cpu, vcpus, guestFeatures: BigInt(features), ...(kernel === undefined ? {} : { kernel }) };
  const calculators: Readonly<Record<string, () => { readonly digest: string }>> = {
    sev: () => sevLaunchDigest(launch),
    "sev-es": () => sevEsLaunchDigest(launch),
    "sev-snp": () => snpLaunchDigest(launch),
  };
  return calculators[mode]?.().digest ?? `no mode ${mode}`;
}

function hashes(vector: Vector, kernel: () => Uint8Array, initrd: () => Uint8Array): KernelHashes | undefined {
  if (!vector.kernel) return undefined;
  return hashKernel({ kernel: kernel(), ...(vector.initrd ? { initrd: initrd() } : {}), cmdline: vector.cmdline ?? "" });
}

const name = "$mode of $firmware, kernel $kernel, initrd $initrd, $cpu, $vcpus vCPUs, features $features";

describe("SEV, SEV-ES and SEV-SNP launch digests of a small firmware", () => {
  const firmware = readFirmware(buildFirmware(), "synthetic");

  it.each<Vector>(synthetic.vectors)(name, (vector) => {
    const kernel = hashes(
      vector,
      () => Buffer.from(synthetic.kernel),
      () => Buffer.from(synthetic.initrd),
    );
    expect(digest(vector, firmware, kernel)).toBe(vector.digest);
  });
});

describe("SEV, SEV-ES and SEV-SNP launch digests of Debian's OVMF builds", () => {
  it.each<Vector>(real.vectors)(name, (vector) => {
    const kernel = hashes(
      vector,
      () => readInput(real.kernel),
      () => readInput(real.initrd),
    );
    expect(digest(vector, readFirmware(readInput(vector.firmware), vector.firmware), kernel)).toBe(vector.digest);
  });
});

describe("what has no SEV launch digest", () => {
  const kernel = hashKernel({ kernel: Buffer.from("kernel"), cmdline: "" });
  const without = readFirmware(buildFirmware({ hashesTable: 0 }), "fw.fd");
  const launch = { firmware: readFirmware(buildFirmware(), "fw.fd"), vcpus: 1, cpuModel: "EPYC-v4", guestFeatures: 0n };

  it("a kernel on firmware that does not measure it", () => {
    expect(() => sevLaunchDigest({ firmware: without, kernel })).toThrow(/no kernel hashes table/);
    expect(() => sevEsLaunchDigest({ ...launch, firmware: without, kernel })).toThrow(/no kernel hashes table/);
  });

  it("a kernel whose hashes have too little room in the firmware", () => {
    const file = buildFirmware();
    const entry = file.indexOf(guidBytes("7255371f-3a3b-4b04-927b-1da6efa8d454")) - 10;
    file.writeUInt32LE(175, entry + 4);
    const small = readFirmware(file, "fw.fd");
    const refusal = expect.objectContaining({
      kind: "input",
      at: { file: "fw.fd", offset: entry + 4 },
      message: expect.stringContaining("reserves 175"),
    });
    expect(() => sevLaunchDigest({ firmware: small, kernel })).toThrow(refusal);
    expect(() => snpLaunchDigest({ ...launch, guestFeatures: 1n, firmware: small, kernel })).toThrow(refusal);
    expect(sevLaunchDigest({ firmware: small }).digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it("a SEV-ES guest with SNPActive", () => {
    expect(() => sevEsLaunchDigest({ ...launch, guestFeatures: 1n })).toThrow(/SNPActive/);
  });

  it("a command line with a NUL", () => {
    expect(() => hashKernel({ kernel: Buffer.from("kernel"), cmdline: "quiet\0init=/bin/sh" })).toThrow(/NUL/);
  });
});

describe("the steps of a SEV-ES launch digest", () => {
  it("names what enters, in order", () => {
    const kernel = hashKernel({ kernel: Buffer.from("kernel"), cmdline: "" });
    const firmware = readFirmware(buildFirmware(), "fw.fd");
    const { steps } = sevEsLaunchDigest({ firmware, vcpus: 2, cpuModel: "EPYC-v4", guestFeatures: 0n, kernel });
    expect(steps.map(({ what, size, digest: hex, from }) => [what, size, hex?.length, from])).toEqual([
      ["firmware", 0x4000, 64, "firmware"],
      ["SHA-256 of command line, initrd and kernel", 176, 64, "kernel, initrd, cmdline"],
      ["vCPU 0 registers", 4096, 64, "vcpus"],
      ["vCPU 1 registers", 4096, 64, "vcpus"],
    ]);
  });
});
