import { crc32 } from "node:zlib";
import { ByteReader } from "../lib/bytes.js";
import { guidBytes, guidText } from "../lib/guid.js";

/** Bytes of a disk's logical block. */
export const sectorSize = 512;
const headerSize = 92;
const entrySize = 128;
/** edk2 and Linux write 16 KiB of entries; hal reads no more. */
const maxEntries = 128;
/** The protective MBR is block 0, the header block 1; the entries begin here. */
const entriesOffset = 2 * sectorSize;
/** Bytes at the start of a disk that contain the protective MBR, the primary header and the entries. */
export const gptSize = entriesOffset + maxEntries * entrySize;

/** Offset of the four records of the MBR, 16 bytes each. */
const mbrRecords = 446;

/** Offsets of header fields that hal changes. */
const headerFields = { checksum: 16, ownBlock: 24, otherBlock: 32, entriesBlock: 72, entriesChecksum: 88 } as const;

export interface GptPartition {
  /** Lower case, like `partuuid`. */
  readonly type: string;
  readonly partuuid: string;
  readonly name: string;
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

export interface Gpt {
  readonly reader: ByteReader;
  /** Bytes. */
  readonly diskSize: number;
  /** The 92 bytes of the primary header. */
  readonly header: Uint8Array;
  /** The entries in use, 128 bytes each, in table order. */
  readonly entries: readonly Uint8Array[];
  /** One for each of `entries`. */
  readonly partitions: readonly GptPartition[];
}

/** Blocks that partitions may occupy, both ends included. */
interface UsableBlocks {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Reads the primary GPT from the first `gptSize` bytes of a disk with 512-byte blocks (UEFI Specification 2.10, 5.3). Verifies the
 * protective MBR, the signature, both checksums, and that partitions are inside the usable blocks and do not overlap.
 * Throws a kind "input" error at the offset of the field that is wrong.
 * @param diskSize bytes of the whole disk
 */
export function readGpt(bytes: Uint8Array, file: string, diskSize: number): Gpt {
  const structure = "GPT header";
  const reader = new ByteReader(bytes, file);
  const lastBlock = BigInt(Math.floor(diskSize / sectorSize)) - 1n;
  const at = sectorSize;
  if (diskSize % sectorSize !== 0)
    throw reader.error(0, structure, `the disk has ${diskSize} bytes, and QEMU adds bytes up to a multiple of ${sectorSize}`);
  const header = reader.slice(at, headerSize, structure);
  if (Buffer.from(header.subarray(0, 8)).toString("latin1") !== "EFI PART")
    throw reader.error(at, structure, "does not start with EFI PART");
  refuseOtherMbr(reader);
  if (reader.u32(at + 8, structure) !== 0x10000) throw reader.error(at + 8, structure, "its revision is not 1.0");
  if (reader.u32(at + 12, structure) !== headerSize) throw reader.error(at + 12, structure, `its size is not ${headerSize}`);
  if (headerChecksum(header) !== reader.u32(at + headerFields.checksum, structure))
    throw reader.error(at + headerFields.checksum, structure, "its checksum is wrong");
  if (reader.u32(at + 20, structure) !== 0) throw reader.error(at + 20, structure, "its reserved field is not zero");
  if (reader.u64(at + headerFields.ownBlock, structure) !== 1n)
    throw reader.error(at + headerFields.ownBlock, structure, "its field MyLBA is not 1");
  if (reader.u64(at + headerFields.otherBlock, structure) !== lastBlock)
    throw reader.error(at + headerFields.otherBlock, structure, `its backup is not in the disk's last block, ${lastBlock}`);
  const usable = { first: reader.u64(at + 40, structure), last: reader.u64(at + 48, structure) };
  const entriesBlock = reader.u64(at + headerFields.entriesBlock, structure);
  if (entriesBlock !== 2n)
    throw reader.error(at + headerFields.entriesBlock, structure, `its entries start in block ${entriesBlock} and not in block 2`);
  const count = reader.u32(at + 80, structure);
  if (count === 0 || count > maxEntries) throw reader.error(at + 80, structure, `${count} entries; 1 to ${maxEntries} are allowed`);
  if (reader.u32(at + 84, structure) !== entrySize) throw reader.error(at + 84, structure, `its entries do not have ${entrySize} bytes`);
  if (crc32(reader.slice(entriesOffset, count * entrySize, "GPT entries")) !== reader.u32(at + headerFields.entriesChecksum, structure))
    throw reader.error(at + headerFields.entriesChecksum, structure, "the checksum of the entries is wrong");
  const tableBlocks = BigInt(blocksOf(count));
  if (usable.first < 2n + tableBlocks || usable.last < usable.first || usable.last >= lastBlock - tableBlocks) {
    throw reader.error(
      at + 40,
      structure,
      `usable blocks ${usable.first} to ${usable.last} are not between the tables of a disk of ${lastBlock + 1n} blocks`,
    );
  }
  const used = Array.from({ length: count }, (_, index) => entriesOffset + index * entrySize).filter((offset) =>
    reader.slice(offset, 16, "GPT entry").some((byte) => byte !== 0),
  );
  const partitions = used.map((offset) => readPartition(reader, offset, usable));
  refuseOverlap(reader, used, partitions);
  return { reader, diskSize, header, entries: used.map((offset) => reader.slice(offset, entrySize, "GPT entry")), partitions };
}

/**
 * Without a record of type 0xEE at block 1, Linux and firmware ignore the GPT, and Linux reads the records of the MBR instead (UEFI
 * Specification 2.10, 5.2.3).
 */
function refuseOtherMbr(reader: ByteReader): void {
  const structure = "protective MBR";
  if (reader.u16(510, structure) !== 0xaa55) throw reader.error(510, structure, "does not end with 55 AA");
  if (reader.u8(mbrRecords + 4, structure) !== 0xee || reader.u32(mbrRecords + 8, structure) !== 1)
    throw reader.error(mbrRecords, structure, "its first record does not have type 0xEE and start at block 1");
  if (reader.slice(mbrRecords + 16, 3 * 16, structure).some((byte) => byte !== 0))
    throw reader.error(mbrRecords + 16, structure, "it has another record");
}

function readPartition(reader: ByteReader, offset: number, usable: UsableBlocks): GptPartition {
  const structure = "GPT entry";
  const first = reader.u64(offset + 32, structure);
  const last = reader.u64(offset + 40, structure);
  if (first < usable.first || last > usable.last || last < first) {
    throw reader.error(offset + 32, structure, `blocks ${first} to ${last} are not in the usable ${usable.first} to ${usable.last}`);
  }
  return {
    type: guidText(reader.slice(offset, 16, structure)),
    partuuid: guidText(reader.slice(offset + 16, 16, structure)),
    name: Buffer.from(reader.slice(offset + 56, 72, structure))
      .toString("utf16le")
      .replace(/\0.*$/s, ""),
    start: Number(first) * sectorSize,
    size: Number(last - first + 1n) * sectorSize,
  };
}

function refuseOverlap(reader: ByteReader, offsets: readonly number[], partitions: readonly GptPartition[]): void {
  const order = partitions.map((partition, index) => ({ ...partition, offset: offsets[index] ?? 0 })).sort((a, b) => a.start - b.start);
  let end = 0;
  for (const { start, size, offset } of order) {
    if (start < end) throw reader.error(offset + 32, "GPT entry", "its blocks overlap another partition's");
    end = start + size;
  }
}

/** Whether the entries of a table are exactly these partitions, without attributes, in this order, followed by zeros only. */
export function hasExactly({ reader }: Gpt, partitions: readonly GptPartition[]): boolean {
  const size = reader.u32(sectorSize + 80, "GPT header") * entrySize;
  const entries = Buffer.alloc(Math.max(size, partitions.length * entrySize));
  for (const [index, { type, partuuid, name, start, size }] of partitions.entries()) {
    const entry = entries.subarray(index * entrySize, (index + 1) * entrySize);
    entry.set(guidBytes(type), 0);
    entry.set(guidBytes(partuuid), 16);
    entry.writeBigUInt64LE(BigInt(start / sectorSize), 32);
    entry.writeBigUInt64LE(BigInt((start + size) / sectorSize - 1), 40);
    entry.write(name, 56, "utf16le");
  }
  return entries.equals(reader.slice(entriesOffset, size, "GPT entries"));
}

/** Bytes to write to a disk. */
export interface DiskWrite {
  /** Bytes from the start of the disk. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Changes entries of a table and returns both of its copies with right checksums. The backup header is in the last
 * block, and its entries are before it (UEFI Specification 2.10, 5.3.1).
 * @param change edits entries in place; its argument is a function that returns the 128-byte entry of a partition
 */
export function editGpt(gpt: Gpt, change: (entry: (partition: GptPartition) => Buffer) => void): readonly DiskWrite[] {
  const { reader, partitions, diskSize } = gpt;
  const count = reader.u32(sectorSize + 80, "GPT header");
  const entries = Buffer.from(reader.slice(entriesOffset, count * entrySize, "GPT entries"));
  change((partition) => {
    const used = gpt.entries[partitions.indexOf(partition)];
    if (used === undefined) throw new RangeError(`partition ${partition.name} is not in this table`);
    const start = used.byteOffset - reader.bytes.byteOffset - entriesOffset;
    return entries.subarray(start, start + entrySize);
  });
  const primary = Buffer.from(reader.slice(sectorSize, sectorSize, "GPT header"));
  primary.writeUInt32LE(crc32(entries), headerFields.entriesChecksum);
  const lastBlock = Math.floor(diskSize / sectorSize) - 1;
  const backup = Buffer.from(primary);
  backup.writeBigUInt64LE(BigInt(lastBlock), headerFields.ownBlock);
  backup.writeBigUInt64LE(1n, headerFields.otherBlock);
  backup.writeBigUInt64LE(BigInt(lastBlock - blocksOf(count)), headerFields.entriesBlock);
  for (const header of [primary, backup]) header.writeUInt32LE(headerChecksum(header.subarray(0, headerSize)), headerFields.checksum);
  return [
    { offset: sectorSize, bytes: primary },
    { offset: entriesOffset, bytes: entries },
    { offset: (lastBlock - blocksOf(count)) * sectorSize, bytes: entries },
    { offset: lastBlock * sectorSize, bytes: backup },
  ];
}

/** CRC-32 of a header with zeros in the checksum field. */
function headerChecksum(header: Uint8Array): number {
  const blank = Buffer.from(header);
  blank.writeUInt32LE(0, headerFields.checksum);
  return crc32(blank);
}

function blocksOf(entries: number): number {
  return Math.ceil((entries * entrySize) / sectorSize);
}
