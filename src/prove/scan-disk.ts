import { open } from "node:fs/promises";
import { readDiskGpt } from "../bundle/disk.js";
import { storedRanges } from "../lib/holes.js";
import { MARKER } from "./probe.js";

/** Plaintext and headers on the partitions of a disk: `marker at 0x…` (offset in the partition), `luks`, `ext4`, `xfs`, `swap`. */
export interface DiskFindings {
  readonly rw: readonly string[];
  readonly swap: readonly string[];
}

/** Signatures of headers and plaintext filesystems, with their byte offset in the partition. */
const signatures: readonly { readonly finding: string; readonly offset: number; readonly bytes: string }[] = [
  // LUKS1 and LUKS2 primary header; LUKS2 secondary headers (LUKS2 On-Disk Format, section 2.1).
  { finding: "luks", offset: 0, bytes: "LUKS\xba\xbe" },
  ...[0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000].map((offset) => ({
    finding: "luks",
    offset,
    bytes: "SKUL\xba\xbe",
  })),
  { finding: "ext4", offset: 0x438, bytes: "\x53\xef" },
  { finding: "xfs", offset: 0, bytes: "XFSB" },
  { finding: "swap", offset: 0xff6, bytes: "SWAPSPACE2" },
];

const CHUNK = 4 * 1024 * 1024;

/**
 * Searches the whole rw and swap partitions of a raw disk for the marker, and their fixed offsets for signatures. Nothing is found on a
 * partition that does not exist.
 * @throws HalError "input" for a disk without a valid GPT
 */
export async function scanDisk(path: string): Promise<DiskFindings> {
  const file = await open(path, "r");
  try {
    const { partitions } = await readDiskGpt(file, path);
    const scan = async (name: string): Promise<string[]> => {
      const partition = partitions.find((candidate) => candidate.name === name);
      return partition === undefined ? [] : scanRange(path, partition.start, partition.size);
    };
    return { rw: await scan("rw"), swap: await scan("swap") };
  } finally {
    await file.close();
  }
}

/** The signatures in a byte range of a file, and the first marker. */
async function scanRange(path: string, start: number, size: number): Promise<string[]> {
  const file = await open(path, "r");
  try {
    const findings: string[] = [];
    for (const { finding, offset, bytes } of signatures) {
      const { buffer } = await file.read(Buffer.alloc(bytes.length), 0, bytes.length, start + offset);
      if (offset + bytes.length <= size && buffer.toString("latin1") === bytes && !findings.includes(finding)) findings.push(finding);
    }
    const needle = Buffer.from(MARKER, "latin1");
    const buffer = Buffer.alloc(CHUNK + needle.length);
    const end = start + size;
    // Holes contain no marker, and a partition can be many times larger than its stored bytes.
    for (const stored of (await storedRanges(path, end)) ?? [{ start, end }]) {
      const last = Math.min(stored.end, end);
      for (let offset = Math.max(stored.start, start); offset < last; offset += CHUNK) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - offset), offset);
        const at = buffer.subarray(0, bytesRead).indexOf(needle);
        if (at >= 0) return [...findings, `marker at 0x${(offset - start + at).toString(16)}`];
        if (bytesRead === 0) break;
      }
    }
    return findings;
  } finally {
    await file.close();
  }
}
