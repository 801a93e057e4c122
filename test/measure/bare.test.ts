import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { measure } from "../../src/measure/measure.js";
import type { MeasureRequest } from "../../src/measure/request.js";
import { buildFirmware } from "../codecs/build-firmware.js";
import { buildIgvm, raw } from "../codecs/build-igvm.js";
import { buildPe } from "../codecs/build-pe.js";

// Files without an image directory, as for `hal measure --platform P …`. Files that do not belong together have no value.
let dir = "";
const at = (name: string): string => join(dir, name);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-bare-"));
  await writeFile(at("firmware"), buildFirmware());
  await writeFile(at("kernel"), buildPe([{ name: ".text", data: Buffer.from("kernel") }]));
  await writeFile(at("initrd"), "initrd");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const request = (platform: MeasureRequest["platforms"][number], more: Partial<MeasureRequest> = {}): MeasureRequest => ({
  platforms: [platform],
  firmware: at("firmware"),
  initrds: [],
  vcpus: [1],
  cpuModel: "EPYC",
  boot: "direct",
  nativeZero: false,
  guest: platform === "tdx" ? "tdx" : "plain",
  ...more,
});
const valuesOf = async (of: MeasureRequest): Promise<Record<string, string>> =>
  Object.fromEntries((await measure(of)).values.map(({ register, value }) => [register, value]));

describe.each(["sev", "sev-es", "sev-snp"] as const)("%s", (platform) => {
  test("a unified kernel image that QEMU starts is the kernel that it hashes", async () => {
    const uki = await valuesOf(request(platform, { boot: "uki-kernel", uki: at("kernel") }));
    expect(uki).toEqual(await valuesOf(request(platform, { kernel: at("kernel") })));
    expect(uki).not.toEqual(await valuesOf(request(platform)));
    expect(await valuesOf(request(platform, { boot: "uki-kernel", kernel: at("kernel") }))).toEqual(uki);
    await expect(measure(request(platform, { boot: "uki-kernel" }))).rejects.toMatchObject({
      kind: "input",
      message: expect.stringMatching(/--uki is missing/),
    });
  });

  test("an initrd or a command line without a kernel is refused", async () => {
    await expect(measure(request(platform, { initrds: [at("initrd")] }))).rejects.toMatchObject({
      kind: "input",
      message: expect.stringMatching(/--initrd without a kernel/),
    });
    await expect(measure(request(platform, { cmdline: "quiet" }))).rejects.toMatchObject({
      kind: "input",
      message: expect.stringMatching(/--cmdline without a kernel/),
    });
  });

  test("an ELF file is refused, because QEMU starts it without hashing it", async () => {
    await writeFile(at("vmlinux"), Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(4096)]));
    await expect(measure(request(platform, { kernel: at("vmlinux") }))).rejects.toMatchObject({
      kind: "input",
      at: { file: at("vmlinux"), offset: 0 },
    });
  });

  test("a disk that the firmware boots is listed as not predicted", async () => {
    const disk = request(platform, { boot: "uki-disk", cmdline: "quiet" });
    expect(await valuesOf(disk)).toEqual(await valuesOf(request(platform)));
    expect((await measure(disk)).notPredicted).toMatchObject([{ platform, why: expect.stringContaining("no launch digest covers them") }]);
    expect((await measure(request(platform, { kernel: at("kernel") }))).notPredicted).toEqual([]);
  });
});

test("sev-snp: a kernel beside an IGVM file is listed as not predicted, unless the request includes the vTPM", async () => {
  await writeFile(at("igvm"), buildIgvm([raw.platform(), raw.page(0x1000n, { data: 1 })], [Buffer.alloc(4096, 1)]));
  const parts = { igvm: at("igvm"), kernel: at("kernel") };
  expect((await measure(request("sev-snp", parts))).notPredicted).toContainEqual({
    platform: "sev-snp",
    register: "kernel, initrd and command line",
    why: expect.stringContaining("--platform vtpm"),
  });
  expect((await measure(request("sev-snp", { igvm: at("igvm") }))).notPredicted).toEqual([]);
  const machine = { initrds: [at("initrd")], cmdline: "quiet", memory: "2G", qemuVersion: "10.0", firmwareVersion: "2025.02" };
  const both = await measure(request("sev-snp", { ...parts, ...machine, guest: "sev", platforms: ["sev-snp", "vtpm"] }));
  expect(both.notPredicted.filter((entry) => entry.platform === "sev-snp")).toEqual([]);
});

// Node.js replaces bytes of an argument that are not UTF-8 by U+FFFD.
test.each(["sev", "sev-es", "sev-snp", "tdx", "vtpm", "nitro"] as const)(
  "%s: a command line that was lost on its way is refused",
  async (platform) => {
    const machine = { kernel: at("kernel"), initrds: [at("initrd")], memory: "2G", qemuVersion: "10.0", firmwareVersion: "2025.02" };
    for (const [cmdline, what] of [
      ["a\ufffdb", "not UTF-8"],
      ["a\ud800b", "not UTF-8"],
      ["a\0b", "NUL"],
    ] as const)
      await expect(measure(request(platform, { ...machine, cmdline }))).rejects.toMatchObject({
        kind: "input",
        message: expect.stringContaining(what),
      });
    await measure(request(platform, { ...machine, cmdline: "ü 日本 😀\n " }));
  },
);

test.each(["tdx", "vtpm"] as const)("%s: a memory of 2048 bytes is refused, because the unit is missing", async (platform) => {
  const machine = { kernel: at("kernel"), initrds: [at("initrd")], cmdline: "quiet", qemuVersion: "10.0", firmwareVersion: "2025.02" };
  await expect(measure(request(platform, { ...machine, memory: "2048" }))).rejects.toMatchObject({
    kind: "input",
    message: expect.stringContaining("2048 bytes"),
    remedy: expect.stringContaining("2048M"),
  });
  await measure(request(platform, { ...machine, memory: "2147483648" }));
});

test("vtpm: without the disk only its partition table is unknown, and --kernel may name the UKI", async () => {
  const parts = { ".text": "stub", ".sdmagic": "#### LoaderInfo: systemd-stub 257 ####", ".cmdline": "quiet", ".initrd": "initrd" };
  const linux = buildPe([{ name: ".text", data: Buffer.from("kernel") }]);
  const sections = Object.entries(parts).map(([name, text]) => ({ name, data: Buffer.from(text) }));
  await writeFile(at("uki"), buildPe([...sections, { name: ".linux", data: linux }]));
  const base = request("vtpm", { boot: "uki-disk", firmwareVersion: "2025.02" });
  const { values, notPredicted } = await measure({ ...base, kernel: at("uki") });
  expect([...new Set(values.map(({ register }) => register))]).toEqual(["pcr2", "pcr3", "pcr4", "pcr6", "pcr9", "pcr11"]);
  expect(notPredicted).toContainEqual({ platform: "vtpm", register: "pcr5", why: expect.stringContaining("--disk") });
  expect(notPredicted).toContainEqual({ platform: "vtpm", register: "pcr7", why: expect.stringContaining("cannot unpack") });
  expect(await valuesOf({ ...base, uki: at("uki") })).toEqual(await valuesOf({ ...base, kernel: at("uki") }));
});

test("tdx: a unified kernel image has no RTMR values", async () => {
  const machine = {
    kernel: at("kernel"),
    initrds: [at("initrd")],
    cmdline: "quiet",
    memory: "2G",
    qemuVersion: "10.0",
    firmwareVersion: "2025.02",
  };
  expect(Object.keys(await valuesOf(request("tdx", machine)))).toEqual(["mrtd", "rtmr1", "rtmr2"]);
  for (const boot of ["uki-disk", "uki-kernel"] as const) {
    const { values, notPredicted } = await measure(request("tdx", { ...machine, boot, uki: at("kernel") }));
    expect(new Set(values.map(({ register }) => register))).toEqual(new Set(["mrtd"]));
    expect(notPredicted).toContainEqual({ platform: "tdx", register: "rtmr1", why: expect.stringContaining("unified kernel image") });
  }
});
