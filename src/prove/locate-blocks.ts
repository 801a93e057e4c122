import { posix } from "node:path";
import { BLOCK } from "../codecs/verity.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";

const HASH_SIZE = 32;
const HASHES_PER_BLOCK = BLOCK / HASH_SIZE;

/**
 * The number of the first data block of a file in an ext4 image. Follows symbolic links.
 * @throws HalError "check" for a file without data, "tool" without debugfs
 */
export async function fileBlock(image: string, path: string): Promise<number> {
  const real = await followLinks(image, path);
  const block = Number((await debugfs(image, `blocks ${real}`)).trim().split(/\s+/)[0]);
  if (Number.isInteger(block) && block > 0) return block;
  throw new HalError("check", `${real} has no data block`, { at: { file: image } });
}

/** The number of the block that contains the inode of the root directory. The lookup of every path reads it. */
export async function rootInodeBlock(image: string): Promise<number> {
  const text = await debugfs(image, "imap <2>");
  const block = Number(/located at block (\d+)/.exec(text)?.[1]);
  if (Number.isInteger(block)) return block;
  throw new HalError("check", "debugfs does not print the block of the root inode", { at: { file: image }, details: text.split("\n") });
}

/**
 * The byte offset of a data block's hash in rootfs.verity. The superblock comes first, then the levels of the hash tree from the top (Linux
 * Documentation/admin-guide/device-mapper/verity.rst, "Hash Tree").
 */
export function hashOffset(dataBlocks: number, dataBlock: number): number {
  const levels: number[] = [];
  for (let count = dataBlocks; count > 1; ) {
    count = Math.ceil(count / HASHES_PER_BLOCK);
    levels.push(count);
  }
  const above = levels.slice(1).reduce((sum, count) => sum + count, 0);
  return (1 + above) * BLOCK + dataBlock * HASH_SIZE;
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
