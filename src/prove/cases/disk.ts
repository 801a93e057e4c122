import { writeFile } from "node:fs/promises";
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
    name: "rw-shrunken",
    what: "a read-write partition of half its size, so that its blocks are used again soon",
    expected: "off",
    needs: "rw",
    damage: async (_image, disk) => {
      await disk.editTable((entry) => {
        const rw = entry("rw");
        const [first, last] = [rw.readBigUInt64LE(32), rw.readBigUInt64LE(40)];
        rw.writeBigUInt64LE(first + (last - first) / 2n, 40);
      });
      return {};
    },
  },
  {
    name: "partitions-overlap",
    what: "swap is inside of the read-write partition",
    expected: "off",
    needs: "swap",
    damage: async (_image, disk) => {
      await disk.editTable((entry) => {
        const [rw, swap] = [entry("rw"), entry("swap")];
        const [first, last, start] = [swap.readBigUInt64LE(32), swap.readBigUInt64LE(40), rw.readBigUInt64LE(32) + 2048n];
        swap.writeBigUInt64LE(start, 32);
        swap.writeBigUInt64LE(start + last - first, 40);
      });
      return {};
    },
  },
  {
    name: "disk-4096",
    what: "a disk with blocks of 4096 bytes",
    expected: "off",
    damage: async () => ({ qemuArgs: ["logical", "physical"].flatMap((kind) => ["-global", `scsi-hd.${kind}_block_size=4096`]) }),
  },
  {
    name: "more-devices",
    what: "more devices of the host: shared memory, an NVMe disk, a USB disk",
    expected: "works",
    damage: async (_image, _disk, scratch) => {
      const drive = async (id: string): Promise<string[]> => {
        const path = join(resolve(scratch), `${id}.img`);
        await writeFile(path, Buffer.alloc(1024 * 1024, id));
        return ["-drive", `file=${qemuPath(path)},if=none,id=${id},format=raw`];
      };
      return {
        qemuArgs: [
          ...["-object", "memory-backend-ram,id=ivshmem,size=1M,share=on", "-device", "ivshmem-plain,memdev=ivshmem"],
          ...[...(await drive("nvme")), "-device", "nvme,serial=hal,drive=nvme"],
          ...[...(await drive("usb")), "-device", "qemu-xhci", "-device", "usb-storage,drive=usb"],
        ],
      };
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
