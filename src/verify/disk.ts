import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { backupMatches, readDiskGpt } from "../bundle/disk.js";
import { files } from "../bundle/files.js";
import { readBootVolume } from "../codecs/boot-volume.js";
import { type GptPartition, hasExactly } from "../codecs/gpt.js";
import { readNamed } from "../measure/request.js";
import type { Launch, Manifest } from "../model/generated.js";
import { aligned, partitionAlignment, partitionsOf } from "../model/partitions.js";
import type { Partition } from "../model/resolved.js";
import { type Finding, sameBytes } from "./finding.js";

/**
 * Checks that the disk has exactly the partitions that early boot of this profile looks for, and that each contains the separate file of
 * the image directory. Partitions are found by their PARTUUIDs, as in early boot. An image without partitions must have no disk.
 */
export async function verifyDisk(dir: string, manifest: Manifest, launch: Launch): Promise<Finding[]> {
  const has = (name: string): boolean => manifest.artifacts.some((entry) => entry.name === name);
  if (manifest.promises === undefined)
    return [{ what: files.manifest, ok: false, expected: "the layout of the image", found: "no field 'promises'" }];
  const { layout } = manifest.promises;
  const partitions = partitionsOf(manifest.profile, launch.boot === "disk" ? "uki" : "direct", layout);
  const findings = [
    compare(`layout ${layout.name}`, layout.root.type === "verity", has(files.root), files.root),
    compare(`layout ${layout.name}`, partitions.length > 0, has(files.disk), files.disk),
    compareText(`${files.launch}: drives`, partitions.length > 0 ? files.disk : "", launch.drives.map(({ path }) => path).join(", ")),
  ];
  if (partitions.length === 0 || findings.some(({ ok }) => !ok)) return findings;
  const disk = await open(join(dir, files.disk));
  try {
    return [...findings, ...(await verifyPartitions(disk, dir, partitions))];
  } finally {
    await disk.close();
  }
}

function compare(what: string, wanted: boolean, found: boolean, file: string): Finding {
  const text = (exists: boolean): string => (exists ? file : `no ${file}`);
  return { what: `${what}: ${file}`, ok: wanted === found, expected: text(wanted), found: text(found) };
}

function compareText(what: string, expected: string, found: string): Finding {
  return { what, ok: expected === found, expected: expected || "none", found: found || "none" };
}

async function verifyPartitions(disk: FileHandle, dir: string, partitions: readonly Partition[]): Promise<Finding[]> {
  const gpt = await readDiskGpt(disk, join(dir, files.disk));
  const expected = placePartitions(partitions, gpt.partitions);
  const findings = [
    comparePartitions(expected, gpt.partitions),
    { what: `${files.disk}: no other bytes in the partition table`, ...sameBytes(hasExactly(gpt, expected)) },
    { what: `${files.disk}: backup partition table`, ...sameBytes(await backupMatches(disk, gpt)) },
  ];
  for (const { name, partuuid } of expected) {
    const found = gpt.partitions.filter((partition) => partition.partuuid === partuuid);
    const [partition] = found;
    const { what, holds } = contents[name as Partition["name"]];
    const claim = `${files.disk}: partition ${name} contains ${what}`;
    if (partition === undefined || found.length > 1) findings.push(compareText(claim, "one partition", `${found.length} partitions`));
    else findings.push({ what: claim, ...sameBytes(await holds(disk, partition, dir)) });
  }
  return findings;
}

/** The partitions as genimage places them: in order, each at a multiple of 1 MiB. The EFI system partition is as large as its contents. */
function placePartitions(partitions: readonly Partition[], found: readonly GptPartition[]): readonly GptPartition[] {
  const placed: GptPartition[] = [];
  let end = partitionAlignment;
  for (const { name, type, uuid, size } of partitions) {
    const own = found.find(({ partuuid }) => partuuid === uuid)?.size ?? 0;
    const partition = { name, type, partuuid: uuid, start: aligned(end), size: size ?? aligned(own) };
    placed.push(partition);
    end = partition.start + partition.size;
  }
  return placed;
}

/** The finding names the first difference. */
function comparePartitions(expected: readonly GptPartition[], found: readonly GptPartition[]): Finding {
  const describe = ({ name, type, partuuid, start, size }: GptPartition): string =>
    `${name}, PARTUUID ${partuuid}, type ${type}, ${size} bytes at ${start}`;
  const [left, right] = [expected, found].map((list) => list.map(describe)) as [string[], string[]];
  const index = left.findIndex((text, position) => text !== right[position]);
  const what = `${files.disk}: partitions`;
  if (index >= 0) return compareText(what, left[index] ?? "", right[index] ?? "");
  return compareText(what, `${left.length} partitions`, `${right.length} partitions`);
}

/** How to check the bytes of each partition. */
const contents: Readonly<
  Record<
    Partition["name"],
    { readonly what: string; readonly holds: (disk: FileHandle, partition: GptPartition, dir: string) => Promise<boolean> }
  >
> = {
  esp: { what: `only ${files.uki}`, holds: holdsUki },
  root: { what: files.root, holds: (disk, partition, dir) => holdsFile(disk, partition, join(dir, files.root)) },
  verity: { what: files.hashTree, holds: (disk, partition, dir) => holdsFile(disk, partition, join(dir, files.hashTree)) },
  rw: { what: "zeros at both ends", holds: zerosAtEnds },
  swap: { what: "zeros at both ends", holds: zerosAtEnds },
};

const CHUNK = 4 * 1024 * 1024;

/** Larger than the free space of the EFI system partition (templates/board/hal/post-image.uki.hbs), and small enough to read it whole. */
const MAX_FREE_BYTES = 64 * 1024 * 1024;

async function holdsUki(disk: FileHandle, { start, size }: GptPartition, dir: string): Promise<boolean> {
  const { bytes: uki } = await readNamed(join(dir, files.uki));
  if (size > uki.length + MAX_FREE_BYTES) return false;
  const bytes = await readAt(disk, start, size);
  return Buffer.compare(readBootVolume(bytes, join(dir, files.disk), start), uki) === 0;
}

/** Whether a partition contains a whole file, and then zeros up to the next multiple of 1 MiB at most. */
async function holdsFile(disk: FileHandle, { start, size }: GptPartition, file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const free = size - (await handle.stat()).size;
    if (free < 0 || free >= partitionAlignment) return false;
    for (let position = 0; position < size; position += CHUNK) {
      const expected = Buffer.alloc(Math.min(CHUNK, size - position));
      await handle.read(expected, 0, expected.length, position);
      if (!expected.equals(await readAt(disk, start + position, expected.length))) return false;
    }
    return true;
  } finally {
    await handle.close();
  }
}

/**
 * The guest makes the contents of these partitions at each boot and reads nothing from them. Headers of LUKS2, dm-integrity, file systems
 * and swap are at the ends, so other bytes there show that the image is not new.
 */
async function zerosAtEnds(disk: FileHandle, { start, size }: GptPartition): Promise<boolean> {
  const length = Math.min(size, 1024 * 1024);
  const ends = [await readAt(disk, start, length), await readAt(disk, start + size - length, length)];
  return ends.every((bytes) => bytes.every((byte) => byte === 0));
}

/** Reads bytes of a disk; zeros after its end. */
async function readAt(disk: FileHandle, offset: number, size: number): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  await disk.read(bytes, 0, size, offset);
  return bytes;
}
