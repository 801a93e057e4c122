import type { FileHandle } from "node:fs/promises";
import { type Gpt, gptSize, readGpt } from "../codecs/gpt.js";

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
