import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Launch, Layout } from "../../src/model/generated.js";
import { verifyDisk } from "../../src/verify/disk.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { bootDirectories, buildBootVolume } from "../codecs/build-boot-volume.js";
import { buildDisk, type DiskPart, devParts } from "./build-disk.js";

const MiB = 2 ** 20;
const uki = Buffer.from("a unified kernel image ".repeat(50));
const layout: Layout = {
  ...{ apiVersion: "hal/v1", kind: "Layout", name: "ram", description: "d", root: { type: "ram", size: "1G" } },
  ...{ compression: "gzip", tmpfs: [], cmdline: [] },
};

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-verify-disk-"));
  await writeFile(join(dir, "boot.efi"), uki);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** The failed checks of an image with its root in RAM that boots from a disk with these partitions. */
async function failed(parts: readonly DiskPart[]): Promise<string[]> {
  await writeFile(join(dir, "disk.img"), buildDisk(parts));
  const artifacts = ["disk.img", "boot.efi"].map((name) => ({ name, size: 0, sha256: "" }));
  const manifest = manifestOf({ artifacts, promises: { init: "busybox", ssh: false, hostAml: "runs", layout } });
  const launch = { boot: "disk", drives: [{ path: "disk.img" }] } as Launch;
  return (await verifyDisk(dir, manifest, launch)).filter(({ ok }) => !ok).map(({ what }) => what);
}
const esp = (content: Buffer): DiskPart => ({ ...devParts.esp, size: MiB, content });

test("the EFI system partition contains boot.efi", async () => {
  expect(await failed([esp(buildBootVolume(uki))])).toEqual([]);
  const other = Buffer.from(uki);
  other.writeUInt8(0x41, 600);
  expect(await failed([esp(buildBootVolume(other))])).toEqual(["disk.img: partition esp contains only boot.efi"]);
  expect(await failed([esp(buildBootVolume(uki.subarray(0, 600)))])).toEqual(["disk.img: partition esp contains only boot.efi"]);
});

test("the EFI system partition contains no other file", async () => {
  const directories = bootDirectories(uki.length);
  const more = { ...directories, 4: [...(directories[4] ?? []), { name: "BOOTIA32EFI", attributes: 0x20, cluster: 5, size: 1 }] };
  await expect(failed([esp(buildBootVolume(uki, more))])).rejects.toMatchObject({ kind: "input", at: { offset: expect.any(Number) } });
});

test("the disk has no other partition and no other EFI system partition", async () => {
  const own = esp(buildBootVolume(uki));
  const second = { ...own, partuuid: "11111111-2222-8333-8444-555555555555" };
  expect(await failed([own, second])).toContain("disk.img: partitions");
  expect(await failed([second, own])).toContain("disk.img: partitions");
  expect(await failed([second])).toEqual(
    expect.arrayContaining(["disk.img: partitions", "disk.img: partition esp contains only boot.efi"]),
  );
});
