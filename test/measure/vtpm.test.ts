import { describe, expect, test } from "vitest";
import { readPe } from "../../src/codecs/pe.js";
import { digestsOf } from "../../src/lib/banks.js";
import { HalError } from "../../src/lib/errors.js";
import { parseVersion } from "../../src/lib/versions.js";
import { authenticode } from "../../src/measure/vtpm/authenticode.js";
import { predictVtpm, type VtpmBoot } from "../../src/measure/vtpm/pcrs.js";
import { kernelAsLoaded } from "../../src/measure/vtpm/qemu-kernel.js";
import { buildLinux, buildPe } from "../codecs/build-pe.js";
import { readInput } from "../vectors/read-input.js";
import vectors from "../vectors/vtpm.json" with { type: "json" };

const kernels: Readonly<Record<string, string>> = { k61: "vmlinuz-6.1.0-56-cloud-amd64", k612: "vmlinuz-6.12.107+deb13-cloud-amd64" };

describe("PCRs of real boots", () => {
  test.each(vectors.boots)("QEMU $qemuVersion, edk2 $firmwareVersion, $kernel", ({ kernel, pcrs, ...boot }) => {
    const initrd = readInput("initrd-busybox.cpio.gz");
    const file = kernels[kernel] ?? "";
    const { values } = predictVtpm({
      ...boot,
      boot: "direct",
      kernel: { file, bytes: readInput(file) },
      initrd: { size: initrd.length, digests: digestsOf(initrd) },
    });
    const predicted = Object.fromEntries(
      values.filter(({ bank }) => bank === "sha256").map(({ register, value }) => [register.slice(3), value]),
    );
    expect(predicted).toEqual(pcrs);
  });

  test("Authenticode of the kernel that QEMU changes for 1 GiB", () => {
    const bytes = readInput("vmlinuz-6.1.0-56-cloud-amd64");
    const loaded = kernelAsLoaded(bytes, "k61", load({ initrdSize: readInput("initrd-busybox.cpio.gz").length }));
    expect(authenticode(readPe(loaded, "k61")).sha256).toBe(vectors.patchedK61);
  });
});

function load(changes: Partial<Parameters<typeof kernelAsLoaded>[2]> = {}): Parameters<typeof kernelAsLoaded>[2] {
  return {
    memory: 2 ** 30,
    machine: "q35",
    cmdline: "quiet",
    qemuVersion: parseVersion("7.2", "QEMU version"),
    firmwareVersion: parseVersion("2022.11", "firmware version"),
    guest: "plain",
    ...changes,
  };
}

/** The parts of a bzImage that QEMU reads. */
function setupHeader(): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write("HdrS", 0x202);
  bytes.writeUInt16LE(0x20f, 0x206);
  bytes.writeUInt8(1, 0x211);
  bytes.writeUInt16LE(2, 0x236);
  return bytes;
}

describe("QEMU's changes to the setup header", () => {
  const GiB = 2 ** 30;
  test.each([
    ["q35", 1 * GiB, 0x3ffd7fff],
    ["q35", 2815 * 2 ** 20, 0xaff00000 - 0x28001],
    ["q35", 2816 * 2 ** 20, 0x7ffd7fff],
    ["q35", 8 * GiB, 0x7ffd7fff],
    ["pc", 3 * GiB, 0xbffd7fff],
    ["pc", 4 * GiB, 0xbffd7fff],
  ] as const)("initrd on %s with %d bytes of memory", (machine, memory, highest) => {
    const patched = Buffer.from(kernelAsLoaded(setupHeader(), "k", load({ machine, memory, initrdSize: 8192 })));
    expect(patched.readUInt32LE(0x218)).toBe(Math.floor((highest - 8192) / 4096) * 4096);
    expect(patched.readUInt32LE(0x21c)).toBe(8192);
  });

  test.each([
    ["vga=normal", 0xffff],
    ["quiet vga=ask", 0xfffd],
    ["vga=0x317", 0x317],
    ["vga=791 quiet", 791],
  ])("%s", (cmdline, mode) => {
    expect(Buffer.from(kernelAsLoaded(setupHeader(), "k", load({ cmdline }))).readUInt16LE(0x1fa)).toBe(mode);
  });

  test.each<[string, Parameters<typeof load>[0]]>([
    ["for an SEV guest", { guest: "sev" }],
    [
      "with QEMU 10.0 and edk2 2025.02",
      { qemuVersion: parseVersion("10.0.2", "QEMU version"), firmwareVersion: parseVersion("2025.02-8+deb13u1", "firmware version") },
    ],
  ])("none %s", (_, changes) => {
    const bytes = setupHeader();
    expect(kernelAsLoaded(bytes, "k", load(changes))).toBe(bytes);
  });

  test("for a TDX guest up to QEMU 10.1, with any firmware", () => {
    const bytes = setupHeader();
    const loaded = (qemuVersion: string) =>
      kernelAsLoaded(bytes, "k", load({ guest: "tdx", qemuVersion: parseVersion(qemuVersion, "QEMU version") }));
    expect(loaded("10.1.5")).not.toEqual(bytes);
    expect(loaded("10.2")).toBe(bytes);
  });

  test("none in a file without setup header, which older releases change", () => {
    const bytes = setupHeader().fill(0, 0x202, 0x206);
    expect(kernelAsLoaded(bytes, "k", load())).toBe(bytes);
    const version = parseVersion("9.0.2", "QEMU version");
    expect(() => kernelAsLoaded(bytes, "k", load({ qemuVersion: version }))).toThrow("QEMU 9.0.2 writes into such a file");
  });

  test.each<[string, Parameters<typeof load>[0]]>([
    [
      "QEMU 9.2 with edk2 2025.02",
      { qemuVersion: parseVersion("9.2", "QEMU version"), firmwareVersion: parseVersion("2025.02", "firmware version") },
    ],
    [
      "QEMU 10.0 with edk2 2024.11",
      { qemuVersion: parseVersion("10.0", "QEMU version"), firmwareVersion: parseVersion("2024.11", "firmware version") },
    ],
  ])("some with %s", (_, changes) => {
    const bytes = setupHeader();
    expect(kernelAsLoaded(bytes, "k", load(changes))).not.toEqual(bytes);
  });

  test("an initrd that does not fit", () => {
    expect(() => kernelAsLoaded(setupHeader(), "k", load({ initrdSize: 2 ** 30 }))).toThrow("do not fit into memory");
  });
});

describe("what is not predicted", () => {
  const boot: VtpmBoot = {
    boot: "direct",
    kernel: { file: "k", bytes: buildPe([{ name: ".text", data: Buffer.alloc(4096) }]) },
    cmdline: "quiet",
    memory: 2 ** 30,
    qemuVersion: "7.2",
    firmwareVersion: "2022.11",
  };

  test("has a reason and no value", () => {
    for (const optionRoms of [false, true]) {
      const { values, notPredicted } = predictVtpm({ ...boot, optionRoms });
      const both = values.filter(({ register }) => notPredicted.some((other) => other.register === register));
      expect(both).toEqual([]);
      expect(new Set([...values, ...notPredicted].map(({ register }) => register)).size).toBe(16);
    }
  });

  test.each([
    ["5.15.0-91-generic (buildd@x) #1 SMP", true],
    ["6.0 ", true],
    ["6.1.0-56-cloud-amd64 (x) #1", false],
    ["6.12.107+deb13-cloud-amd64 (x)", false],
    ["7.2-rc1 ", false],
    ["\xff\xfe", false],
  ])("PCR 9 of Linux %j: %s", (release, unknown) => {
    const { values, notPredicted } = predictVtpm({ ...boot, kernel: { file: "k", bytes: buildLinux(release) } });
    expect(values.some(({ register }) => register === "pcr9")).toBe(!unknown);
    expect(notPredicted.some(({ register, why }) => register === "pcr9" && why.startsWith(`what Linux ${release.slice(0, 3)}`))).toBe(
      unknown,
    );
  });

  test.each<[string, Partial<VtpmBoot>]>([
    ["old firmware", { firmwareVersion: "2021.08" }],
    ["no version", { firmwareVersion: "new" }],
    ["nothing for the kernel to measure", { cmdline: "" }],
    ["NUL in the command line", { cmdline: "a\0b" }],
  ])("refuses: %s", (_, changes) => {
    expect(() => predictVtpm({ ...boot, ...changes } as VtpmBoot)).toThrow(HalError);
  });
});
