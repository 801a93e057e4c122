import { posix } from "node:path";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";

/** Block size of the root filesystem and of its hash tree; dm-verity demands that they are the same. */
export const BLOCK = 4096;
const HASHES_PER_BLOCK = BLOCK / 32;

/** The first data block of a file in an ext4 image, symbolic links followed. */
export async function fileBlock(image: string, path: string): Promise<number> {
  const real = await followLinks(image, path);
  const block = Number((await debugfs(image, `blocks ${real}`)).trim().split(/\s+/)[0]);
  if (Number.isInteger(block) && block > 0) return block;
  throw new HalError("check", `${real} has no data block`, { at: { file: image } });
}

/** The block of the inode table that holds the root directory's inode: every path starts there. */
export async function rootInodeBlock(image: string): Promise<number> {
  const text = await debugfs(image, "imap <2>");
  const block = Number(/located at block (\d+)/.exec(text)?.[1]);
  if (Number.isInteger(block)) return block;
  throw new HalError("check", "debugfs does not tell where the root inode is", { at: { file: image }, details: text.split("\n") });
}

/**
 * The block of a hash tree that holds the hash of a data block. The levels lie top first behind the superblock
 * (Linux Documentation/admin-guide/device-mapper/verity.rst, "Hash Tree").
 */
export function hashBlock(dataBlocks: number, dataBlock: number): number {
  const levels: number[] = [];
  for (let count = dataBlocks; count > 1; ) {
    count = Math.ceil(count / HASHES_PER_BLOCK);
    levels.push(count);
  }
  const above = levels.slice(1).reduce((sum, count) => sum + count, 0);
  return 1 + above + Math.floor(dataBlock / HASHES_PER_BLOCK);
}

async function followLinks(image: string, path: string): Promise<string> {
  let at = path;
  for (let hops = 0; hops < 8; hops += 1) {
    const target = /link dest: "([^"]+)"/.exec(await debugfs(image, `stat ${at}`))?.[1];
    if (target === undefined) return at;
    at = posix.resolve(posix.dirname(at), target);
  }
  throw new HalError("check", `${path} is a loop of symbolic links`, { at: { file: image } });
}

async function debugfs(image: string, request: string): Promise<string> {
  return (await runCommand({ tool: "debugfs", args: ["-R", request, image] })).stdout;
}
