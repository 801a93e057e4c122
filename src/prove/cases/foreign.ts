import { foreignLuks2 } from "../foreign-luks2.js";
import type { HostileCase } from "./case.js";

/** Contents of the host on the partitions that early boot formats. It must overwrite or ignore them. */
export const foreignCases: readonly HostileCase[] = [
  {
    name: "rw-foreign-luks",
    what: "the host's LUKS2 header with a null cipher on the read-write partition: must not be opened",
    expected: "works",
    needs: "rw",
    damage: async (_image, disk) => {
      await disk.write("rw", 0, foreignLuks2());
      return {};
    },
  },
  {
    name: "rw-foreign-integrity",
    what: "the host's dm-integrity superblock on the read-write partition: must be overwritten",
    expected: "works",
    needs: "rw",
    damage: async (_image, disk) => {
      // struct superblock of Linux drivers/md/dm-integrity.c: magic, version 4, log2 of 32768 sectors, tag of 4 bytes, …
      const superblock = Buffer.alloc(4096);
      superblock.write("integrt\0", "latin1");
      superblock.set([4, 15, 4, 0], 8);
      superblock.writeUInt32LE(64, 12);
      superblock.writeBigUInt64LE(1024n, 16);
      await disk.write("rw", 0, superblock);
      return {};
    },
  },
  {
    name: "swap-foreign-resume",
    what: "the signature of a hibernation image on the swap partition: must not be resumed",
    expected: "works",
    needs: "swap",
    damage: async (_image, disk) => {
      await disk.write("swap", 4096 - 10, Buffer.from("S1SUSPEND\0", "latin1"));
      return {};
    },
  },
];
