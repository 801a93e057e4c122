import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { files } from "../bundle/files.js";
import { readImageFile } from "../bundle/open.js";
import { rootHashOf } from "../codecs/cmdline.js";
import { BLOCK, hashTree, hashTreeSize, readSuperblock } from "../codecs/verity.js";
import type { Launch, Manifest } from "../model/generated.js";
import { type Finding, sameBytes } from "./finding.js";

/** Bytes; the hash tree of a root of 250 GiB, and as much as Node.js reads at once. */
const MOST_TREE_BYTES = 2 ** 31 - 1;
/** Bytes; more than 64 hex digits and a newline. */
const MOST_HASH_BYTES = 1024;

/** Checks that the root hash on the command line is the one of rootfs.ext4. Returns nothing for an image without a verified root. */
export async function verifyRoot(dir: string, manifest: Manifest, launch: Launch): Promise<Finding[]> {
  const has = (name: string): boolean => manifest.artifacts.some((entry) => entry.name === name);
  if (!has(files.root)) {
    if (!launch.cmdline.includes("roothash=")) return [];
    return [{ what: "roothash= on the command line", ok: false, expected: files.root, found: "no root among the artifacts" }];
  }
  const root = join(dir, files.root);
  // Hashing the zeros of a sparse root of some TiB takes hours, and its file costs the publisher nothing.
  const [treeSize, expectedSize] = [(await stat(join(dir, files.hashTree))).size, hashTreeSize((await stat(root)).size)];
  if (treeSize !== expectedSize) return [finding(`${files.hashTree} covers ${files.root}`, `${expectedSize} bytes`, `${treeSize} bytes`)];
  const verity = await readImageFile(dir, files.hashTree, MOST_TREE_BYTES);
  const { salt, dataBlocks } = readSuperblock(verity, join(dir, files.hashTree));
  const computed = await hashTree(chunksOf(root), salt);
  const recorded = (await readImageFile(dir, files.rootHash, MOST_HASH_BYTES)).toString("utf8").trimEnd();
  const blocks = BigInt((manifest.artifacts.find(({ name }) => name === files.root)?.size ?? 0) / BLOCK);
  return [
    finding(
      `roothash= on the command line matches ${files.root}`,
      computed.root,
      rootHashOf(launch.cmdline) ?? "not exactly one root hash",
    ),
    finding(`${files.rootHash} matches ${files.root}`, computed.root, recorded),
    finding(`${files.hashTree} covers ${files.root}`, `${blocks} blocks`, `${dataBlocks} blocks`),
    { what: `${files.hashTree} is the hash tree of ${files.root}`, ...sameBytes(computed.tree.equals(verity.subarray(BLOCK))) },
  ];
}

const finding = (what: string, expected: string, found: string): Finding => ({ what, ok: expected === found, expected, found });

const CHUNK = 4 * 1024 * 1024;

/** The bytes of a file, in chunks that share one buffer. */
async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  const handle = await open(file);
  try {
    const buffer = Buffer.alloc(CHUNK);
    for (let position = 0, bytesRead = -1; bytesRead !== 0; position += bytesRead) {
      ({ bytesRead } = await handle.read(buffer, 0, CHUNK, position));
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
