import { open, stat } from "node:fs/promises";
import type { Gpt } from "../codecs/gpt.js";
import { type DigestOptions, type FileDigest, sha256Data, sha256File } from "../lib/digest.js";
import { readDiskGpt } from "./disk.js";
import { files } from "./files.js";

/** The digest of a larger disk image covers its contents only: hashing the zeros of a disk of 3 TiB takes most of an hour. */
const WHOLE_DISK_BYTES = 16 * 2 ** 30;

/** Partitions without contents: the guest formats them at each boot. */
const EMPTY_PARTITIONS: readonly string[] = ["rw", "swap"];

/**
 * Name, size and digest of a file of an image directory. The ranges of a large disk's digest follow from its partition table, so they do
 * not depend on the filesystem that stores the image.
 * @throws HalError "check" if a partition that must be empty is not
 */
export async function digestArtifact(file: string, name: string, signal?: AbortSignal): Promise<FileDigest> {
  const { size } = await stat(file);
  const data = name === files.disk && size > WHOLE_DISK_BYTES ? await contentRanges(file) : undefined;
  const digest = { name, size, ...(data === undefined ? {} : { data }) };
  return { ...digest, sha256: await artifactSha256(file, digest, { signal }) };
}

/**
 * Computes the digest of a file as its entry in the manifest defines it.
 * @throws HalError "check" if a byte outside the entry's ranges is not zero
 */
export function artifactSha256(
  file: string,
  { data }: { readonly data?: number[][] | undefined },
  options: DigestOptions = {},
): Promise<string> {
  if (data === undefined) return sha256File(file, options);
  return sha256Data(
    file,
    data.map(([offset = 0, length = 0]) => ({ start: offset, end: offset + length })),
    options,
  );
}

async function contentRanges(disk: string): Promise<number[][]> {
  const handle = await open(disk);
  try {
    return rangesOf(await readDiskGpt(handle, disk));
  } finally {
    await handle.close();
  }
}

/** Everything except the empty partitions: both partition tables, the other partitions, and the space between them. */
function rangesOf({ partitions, diskSize }: Gpt): number[][] {
  const ranges: number[][] = [];
  let position = 0;
  const empty = partitions.filter(({ name }) => EMPTY_PARTITIONS.includes(name)).sort((a, b) => a.start - b.start);
  for (const { start, size } of [...empty, { start: diskSize, size: 0 }]) {
    if (start > position) ranges.push([position, start - position]);
    position = start + size;
  }
  return ranges;
}
