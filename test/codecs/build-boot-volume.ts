/** A file or a directory of the volume. */
export interface VolumeEntry {
  /** 11 characters: name and extension, padded with spaces. */
  readonly name: string;
  readonly attributes?: number;
  readonly cluster: number;
  readonly size?: number;
}

const entryBytes = ({ name, attributes = 0x10, cluster, size = 0 }: VolumeEntry): Buffer => {
  const bytes = Buffer.alloc(32);
  bytes.write(name, "latin1");
  bytes.writeUInt8(attributes, 11);
  bytes.writeUInt16LE(cluster, 26);
  bytes.writeUInt32LE(size, 28);
  return bytes;
};

const dot = (cluster: number): VolumeEntry => ({ name: ".          ", cluster });
const dots = (cluster: number): VolumeEntry => ({ name: "..         ", cluster });

/** The directories that mkfs.vfat, mmd and mcopy make for EFI/BOOT/BOOTX64.EFI, by cluster. */
export const bootDirectories = (size: number): Record<number, VolumeEntry[]> => ({
  2: [
    { name: "ESP        ", attributes: 8, cluster: 0 },
    { name: "EFI        ", cluster: 3 },
  ],
  3: [dot(3), dots(0), { name: "BOOT       ", cluster: 4 }],
  4: [dot(4), dots(3), { name: "BOOTX64 EFI", attributes: 0x20, cluster: 5, size }],
});

/**
 * A FAT32 volume of 1 MiB with clusters of 512 bytes (Microsoft FAT Specification 1.03). It has fewer clusters than the specification
 * requires of FAT32, which the reader does not need.
 */
export function buildBootVolume(file: Uint8Array, directories = bootDirectories(file.length)): Buffer {
  const [sectors, reserved, fatSectors] = [2048, 32, 16];
  const bytes = Buffer.alloc(sectors * 512);
  bytes.writeUInt16LE(512, 11);
  bytes.writeUInt8(1, 13);
  bytes.writeUInt16LE(reserved, 14);
  bytes.writeUInt8(2, 16);
  bytes.writeUInt32LE(sectors, 32);
  bytes.writeUInt32LE(fatSectors, 36);
  bytes.writeUInt32LE(2, 44);
  const fat = Buffer.alloc(fatSectors * 512);
  const last = 5 + Math.ceil(file.length / 512) - 1;
  for (const cluster of [0, 1, 2, 3, 4, last]) fat.writeUInt32LE(0x0fffffff, cluster * 4);
  for (let cluster = 5; cluster < last; cluster++) fat.writeUInt32LE(cluster + 1, cluster * 4);
  bytes.set(fat, reserved * 512);
  bytes.set(fat, (reserved + fatSectors) * 512);
  const at = (cluster: number): number => (reserved + 2 * fatSectors + cluster - 2) * 512;
  for (const [cluster, entries] of Object.entries(directories)) bytes.set(Buffer.concat(entries.map(entryBytes)), at(Number(cluster)));
  bytes.set(file, at(5));
  return bytes;
}
