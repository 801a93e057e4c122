import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { enclaveParts } from "../../src/build/eif.js";
import { newc } from "../../src/codecs/cpio.js";
import { writeEif } from "../../src/codecs/eif-write.js";
import type { Launch, Manifest } from "../../src/model/generated.js";
import { verifyBoot } from "../../src/verify/boot-image.js";
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

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-verify-boot-"));
  await writeFile(join(dir, "bzImage"), kernel);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** What does not hold of a directory with these files beside the kernel. */
async function broken(files: Readonly<Record<string, Uint8Array>>): Promise<string[]> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(dir, name), bytes);
  const artifacts = ["bzImage", ...Object.keys(files)].map((name) => ({ name, size: 0, sha256: "" }));
  const findings = await verifyBoot(dir, { artifacts } as unknown as Manifest, { cmdline } as Launch);
  expect(findings.length).toBeGreaterThanOrEqual(3);
  return findings.filter(({ ok }) => !ok).map(({ what }) => what);
}

const uki = (parts: { linux?: Buffer; initrd?: string; cmdline?: string }): Buffer =>
  buildPe([
    { name: ".text", data: Buffer.from("stub") },
    { name: ".sdmagic", data: Buffer.from("#### LoaderInfo: systemd-stub 257 ####") },
    { name: ".cmdline", data: Buffer.from(parts.cmdline ?? cmdline) },
    { name: ".initrd", data: Buffer.from(parts.initrd ?? "initrd") },
    { name: ".linux", data: parts.linux ?? kernel },
  ]);
const initrd = { "initramfs.cpio.zst": Buffer.from("initrd") };

test("a unified kernel image is made of kernel, initrd and command line beside it", async () => {
  expect(await broken({ "boot.efi": uki({}), ...initrd })).toEqual([]);
  const other = buildPe([{ name: ".text", data: Buffer.from("other") }]);
  expect(await broken({ "boot.efi": uki({ linux: other }), ...initrd })).toEqual(["boot.efi: kernel is bzImage"]);
  expect(await broken({ "boot.efi": uki({ initrd: "initrx" }), ...initrd })).toEqual(["boot.efi: initrd is initramfs.cpio.zst"]);
  expect(await broken({ "boot.efi": uki({ cmdline: "init=/bin/sh" }), ...initrd })).toEqual(["boot.efi: command line is launch.json's"]);
});

function eif(parts: { kernel?: Buffer; root?: Buffer; cmdline?: string; more?: boolean }): Buffer {
  const ramdisks = [...enclaveParts(parts.root ?? root), ...(parts.more ? [root] : [])].map((part) => gzipSync(part));
  const text = { imageName: "x", imageVersion: "1", buildTool: "t", buildToolVersion: "1", operatingSystem: "Linux", kernelVersion: "6" };
  return Buffer.concat(
    writeEif({ kernel: parts.kernel ?? kernel, cmdline: parts.cmdline ?? cmdline, ramdisks, metadata: { ...text, buildTime: 0 } }),
  );
}
const packed = { "rootfs.cpio.gz": gzipSync(root) };

test("an enclave image is made of kernel, root and command line beside it", async () => {
  expect(await broken({ "x.eif": eif({}), ...packed })).toEqual([]);
  expect(await broken({ "x.eif": eif({ kernel: Buffer.from("other") }), ...packed })).toEqual(["x.eif: kernel is bzImage"]);
  expect(await broken({ "x.eif": eif({ cmdline: "quiet" }), ...packed })).toEqual(["x.eif: command line is launch.json's"]);
  const other = newc(members("evil"));
  expect(await broken({ "x.eif": eif({ root: other }), ...packed })).toEqual(["x.eif: ramdisk 2 is a part of rootfs.cpio.gz"]);
  expect(await broken({ "x.eif": eif({ more: true }), ...packed })).toEqual(["x.eif: ramdisks"]);
});

test("a ramdisk that unpacks to far more than it should is not unpacked", async () => {
  const bomb = newc([...members("good"), { path: "bomb", mode: 0o100644, content: Buffer.alloc(64 * 1024 * 1024) }]);
  await expect(broken({ "x.eif": eif({ root: bomb }), ...packed })).rejects.toMatchObject({ code: "ERR_BUFFER_TOO_LARGE" });
});
