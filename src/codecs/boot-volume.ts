import { ByteReader } from "../lib/bytes.js";

const sectorSize = 512;
/** Offsets of fields of the boot sector (Microsoft FAT Specification 1.03, section 3). */
const boot = {
  bytesPerSector: 11,
  sectorsPerCluster: 13,
  reservedSectors: 14,
  fats: 16,
  rootEntries: 17,
  sectors16: 19,
  fatSectors16: 22,
  sectors: 32,
  fatSectors: 36,
  flags: 40,
  rootCluster: 44,
} as const;
const entrySize = 32;
/** The top 4 bits of an entry of the FAT are reserved; larger values than this end a chain (section 4). */
const lastCluster = 0x0ffffff7;
/** The cluster that the file starts at. mtools takes the first free clusters. */
const fileCluster = 5;

/** Attributes of a directory entry (section 6). */
const [file, label, directory] = [0x20, 0x08, 0x10];
/** All entries of the volume, by the cluster of their directory: name, attributes, and the cluster that each starts at. */
const directories: Readonly<Record<number, readonly string[]>> = {
  2: [entryText("ESP        ", label, 0), entryText("EFI        ", directory, 3)],
  3: [entryText(".          ", directory, 3), entryText("..         ", directory, 0), entryText("BOOT       ", directory, 4)],
  4: [entryText(".          ", directory, 4), entryText("..         ", directory, 3), entryText("BOOTX64 EFI", file, fileCluster)],
};

function entryText(name: string, attributes: number, cluster: number): string {
  return `${name} ${attributes} ${cluster}`;
}

/**
 * Reads the EFI system partition that post-image.sh makes: a FAT32 volume whose only file is EFI/BOOT/BOOTX64.EFI, in consecutive
 * clusters. hal makes this volume itself, so the reader accepts no other form, which firmware could read differently: no long names, no
 * deleted entries, no second file, and no chain of clusters beside those of the file.
 * Throws a kind "input" error at the offset of the difference.
 * @param bytes the whole partition
 * @param base the offset of the partition in the file, for errors
 * @returns the contents of the file
 */
export function readBootVolume(bytes: Uint8Array, file: string, base = 0): Uint8Array {
  const reader = new ByteReader(bytes, file, base);
  const structure = "EFI system partition";
  const expect = (offset: number, found: number, wanted: number, what: string): void => {
    if (found !== wanted) throw reader.error(offset, structure, `${what} is ${found} and not ${wanted}`);
  };
  expect(boot.bytesPerSector, reader.u16(boot.bytesPerSector, structure), sectorSize, "the sector size");
  expect(boot.fats, reader.u8(boot.fats, structure), 2, "the number of FATs");
  for (const field of [boot.rootEntries, boot.sectors16, boot.fatSectors16, boot.flags])
    expect(field, reader.u16(field, structure), 0, "a field that FAT32 does not use");
  expect(boot.sectors, reader.u32(boot.sectors, structure), bytes.length / sectorSize, "the number of sectors");
  expect(boot.rootCluster, reader.u32(boot.rootCluster, structure), 2, "the cluster of the root directory");
  const clusterSize = reader.u8(boot.sectorsPerCluster, structure) * sectorSize;
  if (clusterSize === 0) throw reader.error(boot.sectorsPerCluster, structure, "its clusters are empty");
  const fat = reader.u16(boot.reservedSectors, structure) * sectorSize;
  const fatSize = reader.u32(boot.fatSectors, structure) * sectorSize;
  const data = fat + 2 * fatSize;
  const at = (cluster: number): number => data + (cluster - 2) * clusterSize;

  for (const [cluster, expected] of Object.entries(directories)) {
    const found = readDirectory(reader, at(Number(cluster)), clusterSize);
    if (found.join() !== expected.join())
      throw reader.error(at(Number(cluster)), "directory", "its entries are not those of a volume with only EFI/BOOT/BOOTX64.EFI");
  }
  const size = reader.u32(at(4) + 2 * entrySize + 28, "directory entry");
  const last = fileCluster + Math.ceil(size / clusterSize) - 1;
  if (last >= fatSize / 4) throw reader.error(boot.fatSectors, structure, "its FAT is too short for the file");
  for (let cluster = 2; cluster < fatSize / 4; cluster++) {
    const next = reader.u32(fat + cluster * 4, "FAT") & 0x0fffffff;
    const right = cluster < fileCluster || cluster === last ? next > lastCluster : next === (cluster < last ? cluster + 1 : 0);
    if (!right) throw reader.error(fat + cluster * 4, "FAT", `cluster ${cluster} does not belong to the file, or its chain is broken`);
  }
  if (Buffer.compare(reader.slice(fat, fatSize, "FAT"), reader.slice(fat + fatSize, fatSize, "FAT")) !== 0)
    throw reader.error(fat + fatSize, "FAT", "the two copies differ");
  return reader.slice(at(fileCluster), size, "BOOTX64.EFI");
}

/** The entries of a directory in one cluster that are not all zeros. */
function readDirectory(reader: ByteReader, start: number, size: number): string[] {
  const offsets = Array.from({ length: size / entrySize }, (_, index) => start + index * entrySize);
  return offsets.flatMap((offset) => {
    const bytes = Buffer.from(reader.slice(offset, entrySize, "directory entry"));
    if (bytes.every((byte) => byte === 0)) return [];
    return [entryText(bytes.toString("latin1", 0, 11), bytes.readUInt8(11), bytes.readUInt16LE(20) * 0x10000 + bytes.readUInt16LE(26))];
  });
}
