import { hash } from "node:crypto";
import { ByteReader } from "../lib/bytes.js";

/** Bytes of a block of hal's root filesystems and of their hash trees; dm-verity requires the two to be equal. */
export const BLOCK = 4096;
const digestSize = 32;
const maxSaltSize = 256;

/** The fields of a hash tree's superblock that vary. */
export interface VeritySuperblock {
  readonly salt: Uint8Array;
  readonly dataBlocks: bigint;
}

/**
 * Reads the superblock of a hash tree as hal makes it: format 1, SHA-256, blocks of 4096 bytes (cryptsetup lib/verity/verity.c, struct
 * verity_sb). A kind "input" error at the offset of anything else.
 */
export function readSuperblock(bytes: Uint8Array, file: string): VeritySuperblock {
  const reader = new ByteReader(bytes, file);
  const structure = "dm-verity superblock";
  const text = (offset: number, size: number) =>
    Buffer.from(reader.slice(offset, size, structure))
      .toString("latin1")
      .replace(/\0+$/, "");
  if (text(0, 8) !== "verity") throw reader.error(0, structure, "does not start with verity");
  for (const [offset, field] of [
    [8, "version"],
    [12, "hash type"],
  ] as const)
    if (reader.u32(offset, structure) !== 1) throw reader.error(offset, structure, `its ${field} is not 1`);
  if (text(32, 32) !== "sha256") throw reader.error(32, structure, "its algorithm is not sha256");
  for (const offset of [64, 68])
    if (reader.u32(offset, structure) !== BLOCK) throw reader.error(offset, structure, `its blocks are not ${BLOCK} bytes`);
  const saltSize = reader.u16(80, structure);
  if (saltSize > maxSaltSize) throw reader.error(80, structure, `a salt of ${saltSize} bytes; at most ${maxSaltSize} are allowed`);
  return { salt: reader.slice(88, saltSize, structure), dataBlocks: reader.u64(72, structure) };
}

/** Bytes of the hash tree of some data, with its superblock. */
export function hashTreeSize(dataSize: number): number {
  let level = Math.floor(dataSize / BLOCK);
  let blocks = 1;
  do {
    level = Math.max(1, Math.ceil((level * digestSize) / BLOCK));
    blocks += level;
  } while (level > 1);
  return blocks * BLOCK;
}

/**
 * The hash tree of some data, without its superblock, and its root hash in hex (Linux Documentation/admin-guide/device-mapper/verity.rst,
 * "Hash Tree"; format 1: the salt precedes the block). Like dm-verity, it ignores an incomplete block at the end.
 * @param data the data in chunks of any size, because a root filesystem may be larger than memory. The chunks may share one buffer
 */
export async function hashTree(data: AsyncIterable<Buffer>, salt: Uint8Array): Promise<{ readonly root: string; readonly tree: Buffer }> {
  let level = await dataHashes(data, salt);
  const levels: Buffer[] = [];
  do {
    const padded = Buffer.concat([level], Math.max(1, Math.ceil(level.length / BLOCK)) * BLOCK);
    levels.unshift(padded);
    level = hashBlocks(padded, salt);
  } while (level.length > digestSize);
  return { root: level.toString("hex"), tree: Buffer.concat(levels) };
}

async function dataHashes(data: AsyncIterable<Buffer>, salt: Uint8Array): Promise<Buffer> {
  const hashes: Buffer[] = [];
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of data) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = bytes.length - (bytes.length % BLOCK);
    hashes.push(hashBlocks(bytes.subarray(0, whole), salt));
    rest = Buffer.from(bytes.subarray(whole));
  }
  return Buffer.concat(hashes);
}

const zeros = Buffer.alloc(BLOCK);

function hashBlocks(blocks: Buffer, salt: Uint8Array): Buffer {
  const salted = Buffer.concat([salt, zeros]);
  // Most blocks of a root filesystem contain only zeros, so their hash is computed once.
  const empty = hash("sha256", salted, "buffer");
  const hashes = Buffer.alloc((blocks.length / BLOCK) * digestSize);
  for (let index = 0; index * BLOCK < blocks.length; index++) {
    const start = index * BLOCK;
    const isEmpty = blocks.compare(zeros, 0, BLOCK, start, start + BLOCK) === 0;
    if (!isEmpty) blocks.copy(salted, salt.length, start, start + BLOCK);
    hashes.set(isEmpty ? empty : hash("sha256", salted, "buffer"), index * digestSize);
  }
  return hashes;
}
