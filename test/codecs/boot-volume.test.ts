import { expect, test } from "vitest";
import { readBootVolume } from "../../src/codecs/boot-volume.js";
import { bootDirectories, buildBootVolume, type VolumeEntry } from "./build-boot-volume.js";
import { fuzz } from "./fuzz.js";
import { mutate } from "./mutate.js";

const file = Buffer.from("a boot image ".repeat(100));
const volume = buildBootVolume(file);
const FAT = 32 * 512;

test("returns the only file of the volume", () => {
  expect(Buffer.from(readBootVolume(volume, "disk")).equals(file)).toBe(true);
});

/** The volume with an entry more in the directory of a cluster. */
function withEntry(cluster: number, entry: VolumeEntry): Buffer {
  const directories = bootDirectories(file.length);
  return buildBootVolume(file, { ...directories, [cluster]: [...(directories[cluster] ?? []), entry] });
}
const edited = (change: (bytes: Buffer) => unknown): Buffer => {
  const bytes = Buffer.from(volume);
  change(bytes);
  return bytes;
};

test.each<[string, Buffer, RegExp]>([
  ["another boot program", withEntry(4, { name: "BOOTIA32EFI", attributes: 0x20, cluster: 5 }), /only EFI\/BOOT\/BOOTX64\.EFI/],
  ["a directory for addons", withEntry(2, { name: "LOADER     ", cluster: 9 }), /only EFI\/BOOT\/BOOTX64\.EFI/],
  ["a long name", withEntry(4, { name: "Ab.addon.ef", attributes: 0x0f, cluster: 0 }), /only EFI\/BOOT\/BOOTX64\.EFI/],
  ["a deleted file", withEntry(4, { name: "\xe5OOTX64 EFI", attributes: 0x20, cluster: 5 }), /only EFI\/BOOT\/BOOTX64\.EFI/],
  ["a file in the place of the label", edited((bytes) => bytes.writeUInt8(0x20, 64 * 512 + 11)), /only EFI\/BOOT\/BOOTX64\.EFI/],
  ["a second FAT that differs", edited((bytes) => bytes.writeUInt32LE(7, 48 * 512 + 4 * 100)), /two copies differ/],
  ["a chain beside the file's", edited((bytes) => bytes.writeUInt32LE(0x0fffffff, FAT + 4 * 100)), /cluster 100/],
  ["a chain that jumps", edited((bytes) => bytes.writeUInt32LE(8, FAT + 4 * 5)), /cluster 5/],
  ["a directory of two clusters", edited((bytes) => bytes.writeUInt32LE(9, FAT + 4 * 4)), /cluster 4/],
  ["FAT16 fields", edited((bytes) => bytes.writeUInt16LE(16, 22)), /does not use/],
  ["one active FAT", edited((bytes) => bytes.writeUInt16LE(0x81, 40)), /does not use/],
  ["a volume that is smaller than its partition", edited((bytes) => bytes.writeUInt32LE(2000, 32)), /number of sectors/],
  ["a FAT that does not reach the file", edited((bytes) => bytes.writeUInt32LE(0, 36)), /entries are not|too short/],
  ["another root directory", edited((bytes) => bytes.writeUInt32LE(3, 44)), /root directory/],
])("refuses %s", (_, bytes, message) => {
  expect(() => readBootVolume(bytes, "disk")).toThrow(message);
});

test("a damaged volume is refused at an offset, or has the same structure", () => {
  const outcome = fuzz(
    (random) => mutate(volume, random, 0, 68 * 512),
    (bytes) => readBootVolume(bytes, "disk"),
    3000,
  );
  expect(outcome.refused).toBeGreaterThan(1000);
});
