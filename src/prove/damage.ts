import { type FileHandle, open, truncate } from "node:fs/promises";
import { readDiskGpt } from "../bundle/disk.js";
import { editGpt, type Gpt, type GptPartition, gptSize, sectorSize } from "../codecs/gpt.js";
import { BLOCK } from "../codecs/verity.js";
import { HalError } from "../lib/errors.js";

/** A copy of a raw disk with a GPT, for a hostile case to damage. Every change is on disk when its promise resolves. */
export class DamagedDisk {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws HalError "check" if no partition has this name */
  async partition(name: string): Promise<GptPartition> {
    return this.#with(async (file) => partitionOf(await readDiskGpt(file, this.path), name));
  }

  /** Flips the lowest bit of one byte of a partition. */
  async flip(name: string, offset: number): Promise<void> {
    const { start } = await this.partition(name);
    await this.#with(async (file) => {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, start + offset);
      buffer.writeUInt8(buffer.readUInt8(0) ^ 1, 0);
      await file.write(buffer, 0, 1, start + offset);
    });
  }

  async write(name: string, offset: number, bytes: Uint8Array): Promise<void> {
    const { start } = await this.partition(name);
    await this.#with((file) => file.write(bytes, 0, bytes.length, start + offset));
  }

  /** Flips a bit in each block of a partition from `offset` on, except in chunks of 1 MiB that are all zeros. A guest may use the disk. */
  async flipEverywhere(name: string, offset: number): Promise<void> {
    const { start, size } = await this.partition(name);
    await this.#with(async (file) => {
      const buffer = Buffer.alloc(CHUNK);
      for (let at = offset; at < size; at += CHUNK) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, size - at), start + at);
        const chunk = buffer.subarray(0, bytesRead);
        if (!chunk.some((byte) => byte !== 0)) continue;
        for (let byte = 100; byte < bytesRead; byte += BLOCK) buffer.writeUInt8(buffer.readUInt8(byte) ^ 1, byte);
        await file.write(buffer, 0, bytesRead, start + at);
      }
    });
  }

  /**
   * Changes the partition table. Both copies stay valid.
   * @param change gets a function that returns the entry of a partition by name, 128 bytes, to be changed in place
   */
  async editTable(change: (entry: (name: string) => Buffer) => void): Promise<void> {
    await this.#with(async (file) => {
      const gpt = await readDiskGpt(file, this.path);
      for (const { offset, bytes } of editGpt(gpt, (entry) => change((name) => entry(partitionOf(gpt, name)))))
        await file.write(bytes, 0, bytes.length, offset);
    });
  }

  /** Overwrites the header and the entries of the primary table with zeros. The backup stays valid. */
  async wipePrimaryTable(): Promise<void> {
    await this.#with((file) => file.write(Buffer.alloc(gptSize - sectorSize), 0, gptSize - sectorSize, sectorSize));
  }

  truncate(bytes: number): Promise<void> {
    return truncate(this.path, bytes);
  }

  async #with<T>(work: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = await open(this.path, "r+");
    try {
      const result = await work(file);
      await file.sync();
      return result;
    } finally {
      await file.close();
    }
  }
}

const CHUNK = 1024 * 1024;

function partitionOf({ partitions, reader }: Gpt, name: string): GptPartition {
  const partition = partitions.find((candidate) => candidate.name === name);
  if (partition === undefined) throw new HalError("check", `no partition is named '${name}'`, { at: { file: reader.file } });
  return partition;
}
