import { hash } from "node:crypto";
import { open } from "node:fs/promises";
import { ByteReader } from "../lib/bytes.js";

export const BLOCK = 4096;
const DIGEST = 32;
const CHUNK = 1024 * BLOCK;

/** What the superblock of a hash tree says. */
export interface VeritySuperblock {
  readonly salt: Uint8Array;
  readonly dataBlocks: bigint;
}

/**
 * Reads the superblock that hal's trees have: format 1, SHA-256, blocks of 4096 bytes (cryptsetup lib/verity/verity.c, struct verity_sb).
 * A kind "input" error at the offset of anything else.
 */
export function readSuperblock(bytes: Uint8Array, file: string): VeritySuperblock {
  const reader = new ByteReader(bytes, file);
  const structure = "dm-verity superblock";
  const text = (offset: number, size: number) =>
    Buffer.from(reader.slice(offset, size, structure))
      .toString("latin1")
      .replace(/\0+$/, "");
  if (text(0, 8) !== "verity") throw reader.error(0, structure, "does not start with verity");
  for (const [offset, what] of [
    [8, "version"],
    [12, "hash type"],
  ] as const)
    if (reader.u32(offset, structure) !== 1) throw reader.error(offset, structure, `its ${what} is not 1`);
  if (text(32, 32) !== "sha256") throw reader.error(32, structure, "its algorithm is not sha256");
  for (const offset of [64, 68])
    if (reader.u32(offset, structure) !== BLOCK) throw reader.error(offset, structure, `its blocks are not ${BLOCK} bytes`);
  const saltSize = reader.u16(80, structure);
  if (saltSize > 256) throw reader.error(80, structure, `a salt of ${saltSize} bytes`);
  return { salt: reader.slice(88, saltSize, structure), dataBlocks: reader.u64(72, structure) };
}

/**
 * The hash tree of a file, as it lies behind the superblock, and its root hash (Linux Documentation/admin-guide/device-mapper/verity.rst,
 * "Hash Tree"; format 1: the salt comes before the block). A last block that is not whole has no hash, as for dm-verity.
 */
export async function hashTree(file: string, salt: Uint8Array): Promise<{ readonly root: string; readonly tree: Buffer }> {
  let level = await dataHashes(file, salt);
  const levels: Buffer[] = [];
  do {
    const padded = Buffer.concat([level], Math.max(1, Math.ceil(level.length / BLOCK)) * BLOCK);
    levels.unshift(padded);
    level = hashBlocks(padded, salt);
  } while (level.length > DIGEST);
  return { root: level.toString("hex"), tree: Buffer.concat(levels) };
}

async function dataHashes(file: string, salt: Uint8Array): Promise<Buffer> {
  const handle = await open(file);
  try {
    const parts: Buffer[] = [];
    const buffer = Buffer.alloc(CHUNK);
    for (let position = 0; ; position += CHUNK) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, position);
      parts.push(hashBlocks(buffer.subarray(0, bytesRead - (bytesRead % BLOCK)), salt));
      if (bytesRead < CHUNK) return Buffer.concat(parts);
    }
  } finally {
    await handle.close();
  }
}

const zeros = Buffer.alloc(BLOCK);

function hashBlocks(blocks: Buffer, salt: Uint8Array): Buffer {
  const salted = Buffer.concat([salt, zeros]);
  // Most of a root filesystem's blocks are holes.
  const empty = hash("sha256", salted, "buffer");
  const hashes = Buffer.alloc((blocks.length / BLOCK) * DIGEST);
  for (let index = 0; index * BLOCK < blocks.length; index++) {
    const start = index * BLOCK;
    const isEmpty = blocks.compare(zeros, 0, BLOCK, start, start + BLOCK) === 0;
    if (!isEmpty) blocks.copy(salted, salt.length, start, start + BLOCK);
    hashes.set(isEmpty ? empty : hash("sha256", salted, "buffer"), index * DIGEST);
  }
  return hashes;
}
