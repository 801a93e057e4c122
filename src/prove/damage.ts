import { type FileHandle, open, truncate } from "node:fs/promises";
import { HalError } from "../lib/errors.js";
import { Gpt, type GptEntry } from "./gpt.js";

/** A raw disk with a GPT, to be damaged. Every change is on disk when its promise resolves. */
export class DamagedDisk {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async partition(name: string): Promise<GptEntry> {
    return this.#with(async (file) => entryOf(await Gpt.read(file, this.path), name, this.path));
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

  /** Flips a bit in every block of a partition that is not all zeros, from `offset` on, in place and while a guest uses it. */
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

  /** Changes the partition table, both copies, checksums right. */
  async editTable(change: (gpt: Gpt, find: (name: string) => GptEntry) => void): Promise<void> {
    await this.#with(async (file) => {
      const gpt = await Gpt.read(file, this.path);
      change(gpt, (name) => entryOf(gpt, name, this.path));
      await gpt.write(file);
    });
  }

  /** Overwrites the primary table, header and entries, with zeros; the backup stays. */
  async wipePrimaryTable(): Promise<void> {
    await this.#with((file) => file.write(Buffer.alloc(33 * 512), 0, 33 * 512, 512));
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

const BLOCK = 4096;
const CHUNK = 1024 * 1024;

function entryOf(gpt: Gpt, name: string, path: string): GptEntry {
  const entry = gpt.entries().find((candidate) => candidate.name === name);
  if (entry === undefined) throw new HalError("check", `no partition is named '${name}'`, { at: { file: path } });
  return entry;
}
