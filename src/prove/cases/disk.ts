import { join, resolve } from "node:path";
import { BLOCK } from "../../codecs/verity.js";
import { copySparse } from "../boot-config.js";
import { DamagedDisk } from "../damage.js";
import { fileBlock } from "../locate-blocks.js";
import { type HostileCase, INIT, qemuPath, rootImage } from "./case.js";

/** Bytes of the type GUID and the PARTUUID at the start of a GPT entry (UEFI 2.10, section 5.3.3). */
const ENTRY_GUIDS = 32;

/** QEMU options for a second disk on the controller of the image's disk. */
function secondDisk(path: string): string[] {
  return ["-drive", `file=${qemuPath(path)},if=none,id=twin,format=raw`, "-device", "scsi-hd,drive=twin"];
}

/** A missing, short, repartitioned or duplicated disk. */
export const diskCases: readonly HostileCase[] = [
  {
    name: "root-verity-swapped",
    what: "the PARTUUIDs of root and hash tree are exchanged",
    expected: "off",
    damage: async (_image, disk) => {
      await disk.editTable((entry) => {
        const [root, verity] = [entry("root"), entry("verity")];
        const rootGuids = Buffer.from(root.subarray(0, ENTRY_GUIDS));
        verity.copy(root, 0, 0, ENTRY_GUIDS);
        rootGuids.copy(verity);
      });
      return {};
    },
  },
  { name: "disk-missing", what: "no disk", expected: "off", damage: async () => ({ disk: false }) },
  {
    name: "disk-truncated",
    what: "the disk ends in the middle of the root partition",
    expected: "off",
    damage: async (_image, disk) => {
      const { start, size } = await disk.partition("root");
      await disk.truncate(start + Math.floor(size / 2 / BLOCK) * BLOCK);
      return {};
    },
  },
  {
    name: "disk-truncated-late",
    what: "the disk ends 1 MiB before the end of its last partition",
    expected: "off",
    damage: async (_image, disk) => {
      const { start, size } = await disk.partition("swap").catch(() => disk.partition("verity"));
      await disk.truncate(start + size - 1024 * 1024);
      return {};
    },
  },
  {
    name: "gpt-backup-only",
    what: "the primary partition table is zeros, only the backup is valid",
    expected: "off",
    damage: async (_image, disk) => {
      await disk.wipePrimaryTable();
      return {};
    },
  },
  {
    name: "duplicate-partuuids",
    what: "a second disk with the same PARTUUIDs and different contents",
    expected: "off",
    damage: async (image, disk, scratch) => {
      const twin = join(resolve(scratch), "twin.img");
      await copySparse(disk.path, twin);
      await new DamagedDisk(twin).flip("root", (await fileBlock(rootImage(image), INIT)) * BLOCK);
      return { qemuArgs: secondDisk(twin) };
    },
  },
  {
    name: "rw-missing",
    what: "no read-write partition",
    expected: "off",
    needs: "rw",
    damage: async (_image, disk) => {
      await disk.editTable((entry) => entry("rw").fill(0));
      return {};
    },
  },
  {
    name: "rw-tiny",
    what: "a read-write partition of 64 KiB",
    expected: "off",
    needs: "rw",
    damage: async (_image, disk) => {
      await disk.editTable((entry) => {
        const rw = entry("rw");
        rw.writeBigUInt64LE(rw.readBigUInt64LE(32) + 127n, 40);
      });
      return {};
    },
  },
  {
    name: "swap-missing",
    what: "no swap partition",
    expected: "off",
    needs: "swap",
    damage: async (_image, disk) => {
      await disk.editTable((entry) => entry("swap").fill(0));
      return {};
    },
  },
];
