import { crc32 } from "node:zlib";
import { digestsOf } from "../lib/banks.js";
import { ByteReader } from "../lib/bytes.js";
import { guidText } from "../lib/guid.js";
import type { BootEvent } from "../measure/events.js";

const blockSize = 512;
const headerSize = 92;
const entrySize = 128;
/** What edk2 and Linux write, and the most that hal reads: 16 KiB of entries. */
const maxEntries = 128;
/** Bytes at the start of a disk that hold its protective MBR, GPT header and entries. */
export const gptSize = 2 * blockSize + maxEntries * entrySize;

export interface GptPartition {
  readonly type: string;
  readonly partuuid: string;
  readonly firstBlock: bigint;
  readonly lastBlock: bigint;
  readonly name: string;
}

export interface Gpt {
  readonly reader: ByteReader;
  readonly partitions: readonly GptPartition[];
  /** The 92 bytes of the header. */
  readonly header: Uint8Array;
  /** The entries in use, 128 bytes each, in table order. */
  readonly entries: readonly Uint8Array[];
}

/**
 * Reads the primary GPT from the first bytes of a disk (`gptSize` of them are enough) with 512-byte blocks (UEFI Specification 5.3):
 * signature, both checksums, and that partitions lie inside the usable blocks and do not overlap. `blocks` is the size of the disk.
 */
export function readGpt(bytes: Uint8Array, file: string, blocks: bigint): Gpt {
  const reader = new ByteReader(bytes, file);
  const at = blockSize;
  const header = reader.slice(at, headerSize, "GPT header");
  if (Buffer.from(header.subarray(0, 8)).toString("latin1") !== "EFI PART")
    throw reader.error(at, "GPT header", "does not start with EFI PART");
  if (reader.u32(at + 8, "GPT header") !== 0x10000) throw reader.error(at + 8, "GPT header", "its revision is not 1.0");
  if (reader.u32(at + 12, "GPT header") !== headerSize) throw reader.error(at + 12, "GPT header", `its size is not ${headerSize}`);
  const blank = Buffer.from(header);
  blank.writeUInt32LE(0, 16);
  if (crc32(blank) !== reader.u32(at + 16, "GPT header")) throw reader.error(at + 16, "GPT header", "its checksum is wrong");
  if (reader.u32(at + 20, "GPT header") !== 0) throw reader.error(at + 20, "GPT header", "its reserved field is not zero");
  if (reader.u64(at + 24, "GPT header") !== 1n) throw reader.error(at + 24, "GPT header", "says that it is not in block 1");
  if (reader.u64(at + 32, "GPT header") !== blocks - 1n)
    throw reader.error(at + 32, "GPT header", `its backup is not in the disk's last block, ${blocks - 1n}`);
  const usable = { first: reader.u64(at + 40, "GPT header"), last: reader.u64(at + 48, "GPT header") };
  const table = reader.u64(at + 72, "GPT header");
  if (table !== 2n) throw reader.error(at + 72, "GPT header", `its entries start in block ${table} and not in block 2`);
  const count = reader.u32(at + 80, "GPT header");
  if (count === 0 || count > maxEntries) throw reader.error(at + 80, "GPT header", `${count} entries; 1 to ${maxEntries} are allowed`);
  if (reader.u32(at + 84, "GPT header") !== entrySize)
    throw reader.error(at + 84, "GPT header", `its entries do not have ${entrySize} bytes`);
  const start = 2 * blockSize;
  if (crc32(reader.slice(start, count * entrySize, "GPT entries")) !== reader.u32(at + 88, "GPT header")) {
    throw reader.error(at + 88, "GPT header", "the checksum of the entries is wrong");
  }
  const tableBlocks = BigInt(Math.ceil((count * entrySize) / blockSize));
  if (usable.first < 2n + tableBlocks || usable.last < usable.first || usable.last >= blocks - 1n) {
    throw reader.error(
      at + 40,
      "GPT header",
      `usable blocks ${usable.first} to ${usable.last} do not lie between the tables of a disk of ${blocks} blocks`,
    );
  }
  const used = Array.from({ length: count }, (_, index) => start + index * entrySize).filter((offset) =>
    reader.slice(offset, 16, "GPT entry").some((byte) => byte !== 0),
  );
  const partitions = used.map((offset) => readPartition(reader, offset, usable));
  refuseOverlap(reader, used, partitions);
  return { reader, header, entries: used.map((offset) => reader.slice(offset, entrySize, "GPT entry")), partitions };
}

function readPartition(reader: ByteReader, offset: number, usable: { readonly first: bigint; readonly last: bigint }): GptPartition {
  const firstBlock = reader.u64(offset + 32, "GPT entry");
  const lastBlock = reader.u64(offset + 40, "GPT entry");
  if (firstBlock < usable.first || lastBlock > usable.last || lastBlock < firstBlock) {
    throw reader.error(
      offset + 32,
      "GPT entry",
      `blocks ${firstBlock} to ${lastBlock} are not in the usable ${usable.first} to ${usable.last}`,
    );
  }
  return {
    type: guidText(reader.slice(offset, 16, "GPT entry")),
    partuuid: guidText(reader.slice(offset + 16, 16, "GPT entry")),
    firstBlock,
    lastBlock,
    name: Buffer.from(reader.slice(offset + 56, 72, "GPT entry"))
      .toString("utf16le")
      .replace(/\0.*$/s, ""),
  };
}

function refuseOverlap(reader: ByteReader, offsets: readonly number[], partitions: readonly GptPartition[]): void {
  const order = partitions
    .map((partition, index) => ({ partition, offset: offsets[index] ?? 0 }))
    .sort((a, b) => (a.partition.firstBlock < b.partition.firstBlock ? -1 : 1));
  let end = -1n;
  for (const { partition, offset } of order) {
    if (partition.firstBlock <= end) throw reader.error(offset + 32, "GPT entry", "its blocks overlap another partition's");
    end = partition.lastBlock;
  }
}

/**
 * What firmware measures into PCR 5 when it boots from a disk: UEFI_GPT_DATA, which is the header, a u64 count and the entries in use
 * (TCG PC Client PFP 10.2.6, EV_EFI_GPT_EVENT; edk2 DxeTpm2MeasureBootLib, Tcg2MeasureGptTable).
 */
export function gptEvent({ header, entries }: Gpt): BootEvent {
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(entries.length));
  const parts = [header, count, ...entries];
  return {
    what: `partition table of the boot disk, ${entries.length} partitions`,
    digests: digestsOf(...parts),
    size: parts.reduce((sum, part) => sum + part.length, 0),
    from: "disk",
  };
}
