import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { enclaveParts } from "../../src/build/eif.js";
import { newc } from "../../src/codecs/cpio.js";
import { writeEif } from "../../src/codecs/eif-write.js";
import type { Launch, Manifest } from "../../src/model/generated.js";
import { verifyBootImage } from "../../src/verify/boot-image.js";
import { buildPe } from "../codecs/build-pe.js";

const kernel = buildPe([{ name: ".text", data: Buffer.from("kernel") }]);
const cmdline = "console=null quiet";
const members = (application: string) => [
  { path: "init", mode: 0o100755, content: Buffer.from("init") },
  { path: "usr", mode: 0o040755 },
  { path: "usr/bin", mode: 0o040755 },
  { path: "usr/bin/application", mode: 0o100755, content: Buffer.from(application) },
];
const root = newc(members("good"));

/** Of Debian's package ovmf. */
const emptyStore = "/usr/share/OVMF/OVMF_VARS_4M.fd";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-verify-boot-"));
  await writeFile(join(dir, "bzImage"), kernel);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** The failed checks of a directory with these files and the kernel. */
async function failed(files: Readonly<Record<string, Uint8Array>>): Promise<string[]> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(dir, name), bytes);
  const artifacts = ["bzImage", ...Object.keys(files)].map((name) => ({ name, size: 0, sha256: "" }));
  const launch = { cmdline, boot: "boot.efi" in files ? "disk" : "enclave" } as Launch;
  const findings = await verifyBootImage(dir, { artifacts } as unknown as Manifest, launch);
  expect(findings).not.toEqual([]);
  return findings.filter(({ ok }) => !ok).map(({ what }) => what);
}

const uki = (parts: { linux?: Buffer; initrd?: string; cmdline?: string; more?: string }): Buffer =>
  buildPe([
    ...(parts.more === undefined ? [] : [{ name: parts.more, data: Buffer.from("more") }]),
    { name: ".text", data: Buffer.from("stub") },
    { name: ".sdmagic", data: Buffer.from("#### LoaderInfo: systemd-stub 257 ####") },
    { name: ".cmdline", data: Buffer.from(parts.cmdline ?? cmdline) },
    { name: ".initrd", data: Buffer.from(parts.initrd ?? "initrd") },
    { name: ".linux", data: parts.linux ?? kernel },
  ]);
const initrd = { "initramfs.cpio.zst": Buffer.from("initrd") };

test("a unified kernel image must contain the separate kernel, initrd and command line", async () => {
  expect(await failed({ "boot.efi": uki({}), ...initrd })).toEqual([]);
  const other = buildPe([{ name: ".text", data: Buffer.from("other") }]);
  expect(await failed({ "boot.efi": uki({ linux: other }), ...initrd })).toEqual(["boot.efi: kernel equals bzImage"]);
  expect(await failed({ "boot.efi": uki({ initrd: "initrx" }), ...initrd })).toEqual(["boot.efi: initrd equals initramfs.cpio.zst"]);
  expect(await failed({ "boot.efi": uki({ cmdline: "init=/bin/sh" }), ...initrd })).toEqual([
    "boot.efi: command line equals launch.json's",
  ]);
});

test.each([".ucode", ".dtb", ".splash", ".pcrsig", ".pcrpkey", ".evil"])(
  "a unified kernel image must not contain a section %s",
  async (more) => {
    expect(await failed({ "boot.efi": uki({ more }), ...initrd })).toEqual(["boot.efi: sections"]);
  },
);

test.each([".cmdline", ".initrd", ".profile", ".dtbauto"])(
  "a unified kernel image with %s is refused, because its effect is unclear",
  async (more) => {
    await expect(failed({ "boot.efi": uki({ more }), ...initrd })).rejects.toMatchObject({ kind: "input" });
  },
);

test("another boot image beside the one that starts is named", async () => {
  expect(await failed({ "boot.efi": uki({}), "a.addon.efi": uki({}), ...initrd })).toEqual(["a.addon.efi"]);
});

function eif(parts: { kernel?: Buffer; root?: Buffer; cmdline?: string; more?: boolean; behind?: Buffer }): Buffer {
  const behind = parts.behind ?? Buffer.alloc(0);
  const ramdisks = [...enclaveParts(parts.root ?? root), ...(parts.more ? [root] : [])].map((part) =>
    Buffer.concat([gzipSync(part), behind]),
  );
  const text = { imageName: "x", imageVersion: "1", buildTool: "t", buildToolVersion: "1", operatingSystem: "Linux", kernelVersion: "6" };
  return Buffer.concat(
    writeEif({ kernel: parts.kernel ?? kernel, cmdline: parts.cmdline ?? cmdline, ramdisks, metadata: { ...text, buildTime: 0 } }),
  );
}
const packed = { "rootfs.cpio.gz": gzipSync(root) };

test("an enclave image must contain the separate kernel, root and command line", async () => {
  expect(await failed({ "x.eif": eif({}), ...packed })).toEqual([]);
  expect(await failed({ "x.eif": eif({ kernel: Buffer.from("other") }), ...packed })).toEqual(["x.eif: kernel equals bzImage"]);
  expect(await failed({ "x.eif": eif({ cmdline: "quiet" }), ...packed })).toEqual(["x.eif: command line equals launch.json's"]);
  const other = newc(members("evil"));
  expect(await failed({ "x.eif": eif({ root: other }), ...packed })).toEqual(["x.eif: ramdisk 2 equals its part of rootfs.cpio.gz"]);
  expect(await failed({ "x.eif": eif({ more: true }), ...packed })).toEqual(["x.eif: number of ramdisks"]);
});

test("stops unpacking a ramdisk that is larger than any root", async () => {
  const bomb = newc([...members("good"), { path: "bomb", mode: 0o100644, content: Buffer.alloc(64 * 1024 * 1024) }]);
  await expect(failed({ "x.eif": eif({ root: bomb }), ...packed })).rejects.toMatchObject({ code: "ERR_BUFFER_TOO_LARGE" });
});

const evil = newc([{ path: "init", mode: 0o100755, content: Buffer.from("evil") }]);

test.each([
  ["after zeros, which Linux skips", Buffer.concat([Buffer.alloc(4), gzipSync(evil)])],
  ["without compression", Buffer.concat([Buffer.alloc(4), evil])],
  ["directly", gzipSync(evil)],
])("a ramdisk must not contain a second archive %s", async (_, behind) => {
  await expect(failed({ "x.eif": eif({ behind }), ...packed })).rejects.toMatchObject({ kind: "input" });
});

test("the separate root must not contain a second archive, which the enclave image lacks", async () => {
  for (const more of [gzipSync(Buffer.concat([root, evil])), Buffer.concat([gzipSync(root), gzipSync(evil)])])
    await expect(failed({ "x.eif": eif({}), "rootfs.cpio.gz": more })).rejects.toMatchObject({ kind: "input" });
});

test("a second initrd beside the one in the boot image is named", async () => {
  const decoy = { "initramfs.cpio.gz": gzipSync(newc(members("evil"))) };
  expect(await failed({ "x.eif": eif({ root: newc(members("evil")) }), ...decoy, ...packed })).toEqual(["initrd"]);
});

test.skipIf(!existsSync(emptyStore))("a variable store of a disk's firmware must be empty", async () => {
  const store = readFileSync(emptyStore);
  expect(await failed({ "boot.efi": uki({}), "firmware.vars.fd": store, ...initrd })).toEqual([]);
  store[200] = 0x55;
  expect(await failed({ "boot.efi": uki({}), "firmware.vars.fd": store, ...initrd })).toEqual(["firmware.vars.fd: no variable"]);
});
