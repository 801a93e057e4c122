import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { ByteReader } from "../lib/bytes.js";
import { guidText } from "../lib/guid.js";

const SECTOR = 512;
const SIGNATURE = "EFI PART";

/** One used entry of a GUID partition table; `index` counts from 0. */
export interface GptEntry {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  /** Bytes from the start of the disk, and length in bytes. */
  readonly start: number;
  readonly size: number;
}

interface Table {
  readonly header: Buffer;
  readonly entries: Buffer;
  /** Bytes. */
  readonly headerAt: number;
  readonly entriesAt: number;
  readonly entrySize: number;
  readonly count: number;
}

/** A GUID partition table (UEFI specification 2.10, section 5.3), primary and backup. */
export class Gpt {
  readonly #tables: readonly Table[];

  private constructor(tables: readonly Table[]) {
    this.#tables = tables;
  }

  /** @throws HalError "input" when the file has no valid primary table or a backup that is not where it says */
  static async read(file: FileHandle, name: string): Promise<Gpt> {
    const primary = await readTable(file, name, SECTOR);
    const backupAt = Number(primary.header.readBigUInt64LE(32)) * SECTOR;
    return new Gpt([primary, await readTable(file, name, backupAt)]);
  }

  entries(): GptEntry[] {
    const [table] = this.#tables;
    if (table === undefined) return [];
    const found: GptEntry[] = [];
    for (let index = 0; index < table.count; index += 1) {
      const entry = table.entries.subarray(index * table.entrySize, (index + 1) * table.entrySize);
      const first = Number(entry.readBigUInt64LE(32));
      const last = Number(entry.readBigUInt64LE(40));
      if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
      found.push({
        index,
        uuid: guidText(entry.subarray(16, 32)),
        name: entry.subarray(56, 128).toString("utf16le").replace(/\0.*$/s, ""),
        start: first * SECTOR,
        size: (last - first + 1) * SECTOR,
      });
    }
    return found;
  }

  /** Changes an entry's raw bytes (128 or more) in both copies; `write` computes the checksums anew. */
  edit(index: number, change: (entry: Buffer) => void): void {
    for (const { entries, entrySize } of this.#tables) change(entries.subarray(index * entrySize, (index + 1) * entrySize));
  }

  async write(file: FileHandle): Promise<void> {
    for (const { header, entries, headerAt, entriesAt } of this.#tables) {
      header.writeUInt32LE(crc32(entries), 88);
      header.writeUInt32LE(0, 16);
      header.writeUInt32LE(crc32(header.subarray(0, header.readUInt32LE(12))), 16);
      await file.write(header, 0, header.length, headerAt);
      await file.write(entries, 0, entries.length, entriesAt);
    }
  }
}

async function readTable(file: FileHandle, name: string, headerAt: number): Promise<Table> {
  const header = await read(file, name, headerAt, SECTOR, "GPT header");
  const reader = new ByteReader(header, name, headerAt);
  if (header.toString("latin1", 0, 8) !== SIGNATURE) throw reader.error(0, "GPT header", "no signature 'EFI PART'");
  const count = header.readUInt32LE(80);
  const entrySize = header.readUInt32LE(84);
  if (entrySize < 128 || entrySize > 4096 || count > 4096) throw reader.error(80, "GPT header", `${count} entries of ${entrySize} bytes`);
  const entriesAt = Number(header.readBigUInt64LE(72)) * SECTOR;
  return { header, headerAt, entriesAt, count, entrySize, entries: await read(file, name, entriesAt, count * entrySize, "GPT entries") };
}

async function read(file: FileHandle, name: string, offset: number, size: number, structure: string): Promise<Buffer> {
  const buffer = Buffer.alloc(size);
  const { bytesRead } = await file.read(buffer, 0, size, offset);
  if (bytesRead < size) throw new ByteReader(buffer, name, offset).error(0, structure, "beyond the end of the file");
  return buffer;
}
