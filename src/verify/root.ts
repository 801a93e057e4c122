import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readDiskGpt } from "../bundle/disk.js";
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
  if (!has("rootfs.ext4")) {
    if (!launch.cmdline.includes("roothash=")) return [];
    return [{ what: "roothash= on the command line", ok: false, expected: "rootfs.ext4", found: "no root among the artifacts" }];
  }
  const root = join(dir, "rootfs.ext4");
  const verity = await readFile(join(dir, "rootfs.verity"));
  const { salt, dataBlocks } = readSuperblock(verity, join(dir, "rootfs.verity"));
  const computed = await hashTree(createReadStream(root, { highWaterMark: CHUNK }), salt);
  const recorded = (await readFile(join(dir, "rootfs.roothash"), "utf8")).trimEnd();
  const blocks = BigInt((manifest.artifacts.find(({ name }) => name === "rootfs.ext4")?.size ?? 0) / BLOCK);
  const findings = [
    finding("roothash= on the command line matches rootfs.ext4", computed.root, rootHashOf(launch.cmdline) ?? "not exactly one root hash"),
    finding("rootfs.roothash matches rootfs.ext4", computed.root, recorded),
    finding("rootfs.verity covers rootfs.ext4", `${blocks} blocks`, `${dataBlocks} blocks`),
    { what: "rootfs.verity is the hash tree of rootfs.ext4", ...sameBytes(computed.tree.equals(verity.subarray(BLOCK))) },
  ];
  if (!has("disk.img")) return findings;
  return [...findings, ...(await verifyDisk(join(dir, "disk.img"), { root, verity: join(dir, "rootfs.verity") }))];
}

const finding = (what: string, expected: string, found: string): Finding => ({ what, ok: expected === found, expected, found });

/** The result of a comparison of bytes. */
export const sameBytes = (ok: boolean): Omit<Finding, "what"> => (ok ? { ok } : { ok, expected: "the same bytes", found: "other bytes" });

/** Each partition starts with the bytes of its file. */
async function verifyDisk(disk: string, files: Readonly<Record<string, string>>): Promise<Finding[]> {
  const handle = await open(disk);
  try {
    const { partitions } = await readDiskGpt(handle, disk);
    const findings: Finding[] = [];
    for (const [name, file] of Object.entries(files)) {
      const what = `disk.img: partition ${name} contains ${file.slice(file.lastIndexOf("/") + 1)}`;
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
