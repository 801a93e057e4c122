import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BLOCK } from "../../codecs/verity.js";
import type { DamagedDisk } from "../damage.js";
import type { ImageUnderTest } from "../image.js";
import { fileBlock } from "../locate-blocks.js";
import { type Damage, type HostileCase, qemuPath, rootImage } from "./case.js";

/** A small file in every image that no program reads after startup. */
const UNUSED_FILE = "/usr/lib/os-release";

/** The smallest file that QEMU's acpi-erst accepts has a few records. */
const ERST_SIZE = 64 * 1024;

async function changeRoot(image: ImageUnderTest, disk: DamagedDisk): Promise<Damage> {
  const block = await fileBlock(rootImage(image), UNUSED_FILE);
  return { whileRunning: { file: UNUSED_FILE, change: () => disk.flip("root", block * BLOCK + 1) } };
}

/** QEMU options for a store of crash records (QEMU docs/specs/acpi_erst.rst). */
function crashRecordStore(path: string): string[] {
  const memory = `memory-backend-file,id=erst,size=${ERST_SIZE},mem-path=${qemuPath(path)},share=on`;
  return ["-object", memory, "-device", "acpi-erst,memdev=erst"];
}

/** The host changes the disk while the guest runs. */
export const runningCases: readonly HostileCase[] = [
  {
    name: "rw-changed-running",
    what: "flipped bits in the read-write partition while the guest runs",
    expected: "detected",
    needs: "integrity",
    damage: async ({ promises }, disk) => ({
      // Without the first MiB: the kernel has already read the superblock of dm-integrity, and this case is about data.
      whileRunning: { file: `${promises.layout.rw?.mount ?? ""}/hal-proof`, change: () => disk.flipEverywhere("rw", 1024 * 1024) },
    }),
  },
  {
    name: "root-changed-running",
    what: "one flipped bit in a file of the root while the guest runs",
    expected: "stops",
    damage: changeRoot,
  },
  {
    name: "crash-records",
    what: "as root-changed-running, with a store of the host for crash logs (ACPI ERST): must stay empty",
    expected: "stops",
    damage: async (image, disk, scratch) => {
      const crashRecords = join(resolve(scratch), "records");
      await writeFile(crashRecords, Buffer.alloc(ERST_SIZE));
      return { ...(await changeRoot(image, disk)), crashRecords, qemuArgs: crashRecordStore(crashRecords) };
    },
  },
];
