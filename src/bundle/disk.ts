import type { FileHandle } from "node:fs/promises";
import { editGpt, type Gpt, gptSize, readGpt } from "../codecs/gpt.js";

/**
 * The partition table of a raw disk image. Reads only the first blocks, however large the disk is.
 * A kind "input" error for a table that is not valid.
 * @param file the name of the image, for errors
 */
export async function readDiskGpt(disk: FileHandle, file: string): Promise<Gpt> {
  const { size } = await disk.stat();
  const bytes = Buffer.alloc(Math.min(gptSize, size));
  await disk.read(bytes, 0, bytes.length, 0);
  return readGpt(bytes, file, size);
}

/**
 * Whether the backup at the end of the disk is a copy of the primary partition table. Firmware and Linux use the backup when they cannot
 * read the primary table.
 */
export async function backupMatches(disk: FileHandle, gpt: Gpt): Promise<boolean> {
  for (const { offset, bytes } of editGpt(gpt, () => {})) {
    const found = Buffer.alloc(bytes.length);
    await disk.read(found, 0, found.length, offset);
    if (!found.equals(bytes)) return false;
  }
  return true;
}
