import { crc32 } from "node:zlib";
import { guidBytes } from "../../src/lib/guid.js";

const MiB = 2 ** 20;

export interface DiskPart {
  readonly name: string;
  readonly type: string;
  readonly partuuid: string;
  /** Bytes; a multiple of 512. */
  readonly size: number;
  readonly content?: Uint8Array;
  /** Bytes from the start of the disk. By default, the next multiple of 1 MiB. */
  readonly start?: number;
  /** The number of the entry. By default, the next one. */
  readonly slot?: number;
}

/** The partitions that hal derives from the profile name `dev`, as `sfdisk --dump` shows them on a built disk. */
export const devParts = {
  esp: { name: "esp", type: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", partuuid: "45cecffd-f428-80df-a42d-bf951155b86c" },
  root: { name: "root", type: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", partuuid: "3479374e-27b7-8c7f-ad3d-3a74619dedbd" },
  verity: { name: "verity", type: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5", partuuid: "64397033-f84d-8eab-9c8b-a63527c54530" },
  rw: { name: "rw", type: "0fc63daf-8483-4772-8e79-3d69d8477de4", partuuid: "04322ecb-0b68-8885-8f92-6db290898601" },
  swap: { name: "swap", type: "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", partuuid: "a76522cf-74aa-8e1e-abed-d349e2996899" },
} as const;

/**
 * A disk with a GPT and its backup (UEFI Specification 2.10, 5.3).
 * @param change edits the entries (128 of 128 bytes) before the checksums
 */
export function buildDisk(parts: readonly DiskPart[], change: (entries: Buffer) => void = () => {}): Buffer {
  const align = (bytes: number): number => Math.ceil(bytes / MiB) * MiB;
  let end = MiB;
  const placed = parts.map((part) => {
    const start = part.start ?? align(end);
    end = Math.max(end, start + part.size);
    return { ...part, start };
  });
  const disk = Buffer.alloc(align(end) + MiB);
  const blocks = disk.length / 512;
  const entries = Buffer.alloc(128 * 128);
  for (const [index, { name, type, partuuid, start, size, content, slot = index }] of placed.entries()) {
    const entry = entries.subarray(slot * 128, slot * 128 + 128);
    entry.set(guidBytes(type), 0);
    entry.set(guidBytes(partuuid), 16);
    entry.writeBigUInt64LE(BigInt(start / 512), 32);
    entry.writeBigUInt64LE(BigInt((start + size) / 512 - 1), 40);
    entry.write(name, 56, "utf16le");
    if (content !== undefined) disk.set(content, start);
  }
  change(entries);
  disk.writeUInt8(0xee, 450);
  disk.writeUInt32LE(1, 454);
  disk.writeUInt32LE(blocks - 1, 458);
  disk.writeUInt16LE(0xaa55, 510);
  const header = (own: number, other: number, table: number): Buffer => {
    const bytes = Buffer.alloc(512);
    bytes.write("EFI PART");
    bytes.writeUInt32LE(0x10000, 8);
    bytes.writeUInt32LE(92, 12);
    bytes.writeBigUInt64LE(BigInt(own), 24);
    bytes.writeBigUInt64LE(BigInt(other), 32);
    bytes.writeBigUInt64LE(34n, 40);
    bytes.writeBigUInt64LE(BigInt(blocks - 34), 48);
    bytes.writeBigUInt64LE(BigInt(table), 72);
    bytes.writeUInt32LE(128, 80);
    bytes.writeUInt32LE(128, 84);
    bytes.writeUInt32LE(crc32(entries), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 16);
    return bytes;
  };
  disk.set(header(1, blocks - 1, 2), 512);
  disk.set(entries, 1024);
  disk.set(entries, (blocks - 33) * 512);
  disk.set(header(blocks - 1, 1, blocks - 33), (blocks - 1) * 512);
  return disk;
}
