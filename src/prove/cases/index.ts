import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { withSystemdOptions } from "../../codecs/efi-variables.js";
import { runCommand } from "../../lib/tools.js";
import { firmwarePackages } from "../../model/firmware-packages.js";
import { DamagedDisk } from "../damage.js";
import { foreignLuks2 } from "../foreign-luks2.js";
import type { Subject } from "../image.js";
import { BLOCK, fileBlock, hashBlock, rootInodeBlock } from "../locate-blocks.js";

/** What a hostile host changes besides the bytes of the disk. */
export interface Tampering {
  readonly cmdline?: string;
  /** False: boot without any disk. */
  readonly disk?: false;
  /** False: boot without an initrd. */
  readonly initrd?: false;
  /** Further words of the QEMU command. */
  readonly extra?: readonly string[];
  /** Change the disk while the guest runs; `file` is what the guest reads again afterwards. */
  readonly running?: { readonly file: string; readonly change: () => Promise<void> };
  /** The host's store of crash records (ACPI ERST): nothing may be in it afterwards. */
  readonly records?: string;
}

/**
 * - `off`: nothing of the image runs, one line says why, the machine powers off.
 * - `works`: the damage cannot matter; the image boots and keeps every promise.
 * - `stops`: damage to a running guest; it ends, or the damaged file cannot be read.
 * - `detected`: damage to a running guest; the damaged file cannot be read.
 */
export type Outcome = "off" | "works" | "stops" | "detected";

export interface HostileCase {
  readonly name: string;
  readonly what: string;
  readonly expected: Outcome;
  /** What of the layout it needs; every case needs a verified root. */
  readonly needs?: "rw" | "swap" | "integrity";
  /** What of the host it needs that the others do not. */
  readonly tool?: string;
  damage(subject: Subject, disk: DamagedDisk, scratch: string): Promise<Tampering>;
}

const INIT = "/sbin/init";
/** Small, in every image, read by nobody once the image is up. */
const UNUSED_FILE = "/usr/lib/os-release";
/** Offset of the salt in a dm-verity superblock (cryptsetup's lib/verity/verity.c, struct verity_sb). */
const VERITY_SALT = 88;
const EXT4_SUPERBLOCK = 1024;
const EXT4_VOLUME_NAME = 0x78;
const ENTRY_GUIDS = 32;

const rootImage = (subject: Subject): string => join(subject.dir, "rootfs.ext4");

/** Flips a bit of the root partition at a block that early boot or the start of init must read. */
async function flipRoot(disk: DamagedDisk, block: number): Promise<Tampering> {
  await disk.flip("root", block * BLOCK + 17);
  return {};
}

/** A further disk on the image's own controller. */
function secondDisk(path: string): string[] {
  return ["-drive", `file=${path.replaceAll(",", ",,")},if=none,id=twin,format=raw`, "-device", "scsi-hd,drive=twin"];
}

/** Every way to damage an image; adding one is one entry. */
export const cases: readonly HostileCase[] = [
  {
    name: "root-data",
    what: "one flipped bit in the program that is PID 1",
    expected: "off",
    damage: async (subject, disk) => flipRoot(disk, await fileBlock(rootImage(subject), INIT)),
  },
  {
    name: "root-inode",
    what: "one flipped bit in the inode of the root directory's block",
    expected: "off",
    damage: async (subject, disk) => flipRoot(disk, await rootInodeBlock(rootImage(subject))),
  },
  {
    name: "root-superblock",
    what: "one flipped bit in the ext4 superblock",
    expected: "off",
    damage: async (_subject, disk) => {
      await disk.flip("root", EXT4_SUPERBLOCK + EXT4_VOLUME_NAME);
      return {};
    },
  },
  {
    name: "verity-tree-top",
    what: "one flipped bit in the top block of the hash tree",
    expected: "off",
    damage: async (_subject, disk) => {
      await disk.flip("verity", BLOCK + 5);
      return {};
    },
  },
  {
    name: "verity-tree-leaf",
    what: "one flipped bit in the hash of a block of PID 1",
    expected: "off",
    damage: async (subject, disk) => {
      const block = await fileBlock(rootImage(subject), INIT);
      const { size } = await disk.partition("root");
      await disk.flip("verity", hashBlock(size / BLOCK, block) * BLOCK + (block % (BLOCK / 32)) * 32);
      return {};
    },
  },
  {
    name: "verity-superblock",
    what: "one flipped bit in the salt of the dm-verity superblock",
    expected: "off",
    damage: async (_subject, disk) => {
      await disk.flip("verity", VERITY_SALT);
      return {};
    },
  },
  {
    name: "wrong-roothash",
    what: "another root hash on the command line",
    expected: "off",
    damage: async ({ launch }) => ({
      cmdline: launch.cmdline.replace(
        /roothash=([0-9a-f])/,
        (_, digit: string) => `roothash=${(Number.parseInt(digit, 16) ^ 1).toString(16)}`,
      ),
    }),
  },
  {
    name: "no-roothash",
    what: "no root hash on the command line",
    expected: "off",
    damage: async ({ launch }) => ({ cmdline: launch.cmdline.replace(/ ?roothash=[0-9a-f]+/, "") }),
  },
  {
    name: "shell-in-roothash",
    what: "shell syntax in place of the root hash",
    expected: "off",
    damage: async ({ launch }) => ({
      cmdline: launch.cmdline.replace(/roothash=[0-9a-f]+/, "roothash=$(exec</dev/console>/dev/console;sh)"),
    }),
  },
  {
    name: "root-verity-swapped",
    what: "root and hash tree under each other's PARTUUID",
    expected: "off",
    damage: async (_subject, disk) => {
      await disk.editTable((gpt, find) => {
        const guids: Buffer[] = [];
        const [root, verity] = [find("root"), find("verity")];
        for (const { index } of [root, verity]) gpt.edit(index, (entry) => guids.push(Buffer.from(entry.subarray(0, ENTRY_GUIDS))));
        // Two copies of the table: guids holds root, root, verity, verity.
        gpt.edit(root.index, (entry) => guids[2]?.copy(entry));
        gpt.edit(verity.index, (entry) => guids[0]?.copy(entry));
      });
      return {};
    },
  },
  { name: "disk-missing", what: "no disk", expected: "off", damage: async () => ({ disk: false }) },
  {
    name: "disk-truncated",
    what: "the disk ends in the middle of the root partition",
    expected: "off",
    damage: async (_subject, disk) => {
      const { start, size } = await disk.partition("root");
      await disk.truncate(start + Math.floor(size / 2 / BLOCK) * BLOCK);
      return {};
    },
  },
  {
    name: "disk-truncated-late",
    what: "the disk ends a megabyte early",
    expected: "off",
    damage: async (_subject, disk) => {
      const { start, size } = await disk.partition("swap").catch(() => disk.partition("verity"));
      await disk.truncate(start + size - 1024 * 1024);
      return {};
    },
  },
  {
    name: "gpt-backup-only",
    what: "the primary partition table is zeros, the backup is whole",
    expected: "off",
    damage: async (_subject, disk) => {
      await disk.wipePrimaryTable();
      return {};
    },
  },
  {
    name: "duplicate-partuuids",
    what: "a second disk with the same PARTUUIDs and other contents",
    expected: "off",
    damage: async (subject, disk, scratch) => {
      const twin = join(scratch, "twin.img");
      await runCommand({ tool: "cp", args: ["--sparse=always", "--reflink=auto", disk.path, twin] });
      await new DamagedDisk(twin).flip("root", (await fileBlock(rootImage(subject), INIT)) * BLOCK);
      return { extra: secondDisk(resolve(twin)) };
    },
  },
  {
    name: "rw-missing",
    what: "no read-write partition",
    expected: "off",
    needs: "rw",
    damage: async (_subject, disk) => {
      await disk.editTable((gpt, find) => gpt.edit(find("rw").index, (entry) => entry.fill(0)));
      return {};
    },
  },
  {
    name: "rw-tiny",
    what: "a read-write partition of 64 KiB",
    expected: "off",
    needs: "rw",
    damage: async (_subject, disk) => {
      await disk.editTable((gpt, find) =>
        gpt.edit(find("rw").index, (entry) => entry.writeBigUInt64LE(entry.readBigUInt64LE(32) + 127n, 40)),
      );
      return {};
    },
  },
  {
    name: "swap-missing",
    what: "no swap partition",
    expected: "off",
    needs: "swap",
    damage: async (_subject, disk) => {
      await disk.editTable((gpt, find) => gpt.edit(find("swap").index, (entry) => entry.fill(0)));
      return {};
    },
  },
  {
    name: "no-initrd",
    what: "the kernel alone, without its initrd",
    expected: "off",
    damage: async () => ({ initrd: false }),
  },
  {
    name: "rw-foreign-luks",
    what: "a foreign LUKS2 header with a null cipher on the read-write partition: overwritten or ignored, never opened",
    expected: "works",
    needs: "rw",
    damage: async (_subject, disk) => {
      await disk.write("rw", 0, foreignLuks2());
      return {};
    },
  },
  {
    name: "rw-foreign-integrity",
    what: "a foreign dm-integrity superblock on the read-write partition: overwritten",
    expected: "works",
    needs: "rw",
    damage: async (_subject, disk) => {
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
    what: "a hibernation image's signature on the swap partition: overwritten, never resumed",
    expected: "works",
    needs: "swap",
    damage: async (_subject, disk) => {
      await disk.write("swap", 4096 - 10, Buffer.from("S1SUSPEND\0", "latin1"));
      return {};
    },
  },
  {
    name: "rw-changed-running",
    what: "bits of the read-write partition flipped while the guest runs: an I/O error, never other data",
    expected: "detected",
    needs: "integrity",
    damage: async ({ promises }, disk) => ({
      // Not the first megabyte: dm-integrity has read its superblock, and what is asked is about data.
      running: { file: `${promises.layout.rw?.mount ?? ""}/hal-proof`, change: () => disk.flipEverywhere("rw", 1024 * 1024) },
    }),
  },
  {
    name: "root-changed-running",
    what: "a bit of a root file flipped while the guest runs",
    expected: "stops",
    damage: async (subject, disk) => {
      const block = await fileBlock(rootImage(subject), UNUSED_FILE);
      return { running: { file: UNUSED_FILE, change: () => disk.flip("root", block * BLOCK + 1) } };
    },
  },
  {
    name: "crash-records",
    what: "the same, with a store for the log of a kernel that stops (ACPI ERST): nothing is written there",
    expected: "stops",
    damage: async (subject, disk, scratch) => {
      const block = await fileBlock(rootImage(subject), UNUSED_FILE);
      const records = join(resolve(scratch), "records");
      await writeFile(records, Buffer.alloc(ERST_SIZE));
      return { running: { file: UNUSED_FILE, change: () => disk.flip("root", block * BLOCK + 1) }, records, extra: recordStore(records) };
    },
  },
  {
    name: "efi-variables",
    what: "firmware with the EFI variable SystemdOptions, kernel parameters for systemd: not seen",
    expected: "works",
    tool: firmwarePackages.ovmf.path,
    damage: async (_subject, _disk, scratch) => {
      const flash = join(resolve(scratch), "flash");
      await writeFile(flash, withSystemdOptions(await readFile(firmwarePackages.ovmf.path), "systemd.setenv=HAL_PROOF=taken"));
      return { extra: ["-drive", `if=pflash,unit=0,format=raw,file=${flash.replaceAll(",", ",,")}`] };
    },
  },
];

/** QEMU's acpi-erst takes no smaller file than a few records. */
const ERST_SIZE = 64 * 1024;

function recordStore(path: string): string[] {
  const file = path.replaceAll(",", ",,");
  return ["-object", `memory-backend-file,id=erst,size=${ERST_SIZE},mem-path=${file},share=on`, "-device", "acpi-erst,memdev=erst"];
}

/** The cases that a layout can suffer. */
export function casesFor({ promises: { layout } }: Subject): HostileCase[] {
  if (layout.root.type !== "verity") return [];
  const has = { rw: layout.rw !== undefined, swap: layout.swap !== undefined, integrity: layout.rw?.integrity === "hmac-sha256" };
  return cases.filter(({ needs }) => needs === undefined || has[needs]);
}
