import { BLOCK } from "../../codecs/verity.js";
import type { DamagedDisk } from "../damage.js";
import { fileBlock, hashOffset, rootInodeBlock } from "../locate-blocks.js";
import { type Damage, type HostileCase, INIT, rootImage } from "./case.js";

const EXT4_SUPERBLOCK = 1024;
/** Offset of s_volume_name in the superblock (Linux Documentation/filesystems/ext4/super.rst). */
const EXT4_VOLUME_NAME = 0x78;
/** Offset of the salt in a dm-verity superblock (cryptsetup lib/verity/verity.c, struct verity_sb). */
const VERITY_SALT = 88;

async function flipRoot(disk: DamagedDisk, block: number): Promise<Damage> {
  await disk.flip("root", block * BLOCK + 17);
  return {};
}

/** One flipped bit in the root partition or its hash tree, where early boot or the start of init must read it. */
export const rootCases: readonly HostileCase[] = [
  {
    name: "root-data",
    what: "one flipped bit in the program of PID 1",
    expected: "off",
    damage: async (image, disk) => flipRoot(disk, await fileBlock(rootImage(image), INIT)),
  },
  {
    name: "root-inode",
    what: "one flipped bit in the block of the root directory's inode",
    expected: "off",
    damage: async (image, disk) => flipRoot(disk, await rootInodeBlock(rootImage(image))),
  },
  {
    name: "root-superblock",
    what: "one flipped bit in the ext4 superblock",
    expected: "off",
    damage: async (_image, disk) => {
      await disk.flip("root", EXT4_SUPERBLOCK + EXT4_VOLUME_NAME);
      return {};
    },
  },
  {
    name: "verity-tree-top",
    what: "one flipped bit in the top block of the hash tree",
    expected: "off",
    damage: async (_image, disk) => {
      await disk.flip("verity", BLOCK + 5);
      return {};
    },
  },
  {
    name: "verity-tree-leaf",
    what: "one flipped bit in the hash of a block of PID 1's program",
    expected: "off",
    damage: async (image, disk) => {
      const block = await fileBlock(rootImage(image), INIT);
      const { size } = await disk.partition("root");
      await disk.flip("verity", hashOffset(size / BLOCK, block));
      return {};
    },
  },
  {
    name: "verity-superblock",
    what: "one flipped bit in the salt of the dm-verity superblock",
    expected: "off",
    damage: async (_image, disk) => {
      await disk.flip("verity", VERITY_SALT);
      return {};
    },
  },
];
