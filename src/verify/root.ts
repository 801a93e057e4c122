import { type FileHandle, open, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { readDiskGpt } from "../bundle/disk.js";
import { files } from "../bundle/files.js";
import { parameterValues } from "../codecs/cmdline.js";
import { BLOCK, hashTree, readSuperblock } from "../codecs/verity.js";
import type { Launch, Manifest } from "../model/generated.js";
import type { Finding } from "./finding.js";

/**
 * The root hash on a command line: 64 hex digits. Early boot (board/hal/init of the external tree) reads the text after the last
 * `roothash=`, even inside quotes and after `--`.
 * @returns undefined unless `roothash=` occurs exactly once, so that no other reader can find another hash
 */
export function rootHashOf(cmdline: string): string | undefined {
  const [value] = parameterValues(cmdline, "roothash");
  const occurrences = cmdline.split("roothash=").length - 1;
  return occurrences === 1 && value !== undefined && /^[0-9a-f]{64}$/.test(value) ? value : undefined;
}

/**
 * Checks that the root hash on the command line is the one of rootfs.ext4, and that the disk contains this root and its hash tree. Returns
 * nothing for an image without a verified root.
 */
export async function verifyRoot(dir: string, manifest: Manifest, launch: Launch): Promise<Finding[]> {
  const has = (name: string): boolean => manifest.artifacts.some((entry) => entry.name === name);
  if (!has(files.root)) {
    if (!launch.cmdline.includes("roothash=")) return [];
    return [{ what: "roothash= on the command line", ok: false, expected: files.root, found: "no root among the artifacts" }];
  }
  const root = join(dir, files.root);
  const verity = await readFile(join(dir, files.hashTree));
  const { salt, dataBlocks } = readSuperblock(verity, join(dir, files.hashTree));
  const computed = await hashTree(chunksOf(root), salt);
  const recorded = (await readFile(join(dir, files.rootHash), "utf8")).trimEnd();
  const blocks = BigInt((manifest.artifacts.find(({ name }) => name === files.root)?.size ?? 0) / BLOCK);
  const findings = [
    finding(
      `roothash= on the command line matches ${files.root}`,
      computed.root,
      rootHashOf(launch.cmdline) ?? "not exactly one root hash",
    ),
    finding(`${files.rootHash} matches ${files.root}`, computed.root, recorded),
    finding(`${files.hashTree} covers ${files.root}`, `${blocks} blocks`, `${dataBlocks} blocks`),
    { what: `${files.hashTree} is the hash tree of ${files.root}`, ...sameBytes(computed.tree.equals(verity.subarray(BLOCK))) },
  ];
  if (!has(files.disk)) return findings;
  return [...findings, ...(await verifyDisk(join(dir, files.disk), { root, verity: join(dir, files.hashTree) }))];
}

const finding = (what: string, expected: string, found: string): Finding => ({ what, ok: expected === found, expected, found });

/** The result of a comparison of bytes. */
export const sameBytes = (ok: boolean): Omit<Finding, "what"> => (ok ? { ok } : { ok, expected: "the same bytes", found: "other bytes" });

/** Each partition starts with the bytes of its file. */
async function verifyDisk(disk: string, contents: Readonly<Record<string, string>>): Promise<Finding[]> {
  const handle = await open(disk);
  try {
    const { partitions } = await readDiskGpt(handle, disk);
    const findings: Finding[] = [];
    for (const [name, file] of Object.entries(contents)) {
      const what = `${files.disk}: partition ${name} contains ${basename(file)}`;
      const found = partitions.filter((partition) => partition.name === name);
      const [partition] = found;
      if (partition === undefined || found.length > 1) findings.push(finding(what, "one partition", `${found.length} partitions`));
      else findings.push({ what, ...sameBytes(await startsWith(handle, partition.start, file)) });
    }
    return findings;
  } finally {
    await handle.close();
  }
}

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

/** Whether the disk contains the whole file at a byte offset. */
async function startsWith(disk: FileHandle, start: number, file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const [left, right] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)];
    for (let position = 0; ; position += CHUNK) {
      const { bytesRead } = await handle.read(left, 0, CHUNK, position);
      const { bytesRead: there } = await disk.read(right, 0, bytesRead, start + position);
      if (there !== bytesRead || left.compare(right, 0, bytesRead, 0, bytesRead) !== 0) return false;
      if (bytesRead < CHUNK) return true;
    }
  } finally {
    await handle.close();
  }
}
