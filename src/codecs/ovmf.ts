import { ByteReader } from "../lib/bytes.js";
import { HalError } from "../lib/errors.js";
import { guidText } from "../lib/guid.js";
import { pageSize } from "./x86.js";

/** x86 firmware ends at 4 GiB, because its last 16 bytes are the reset vector. */
const fourGiB = 1n << 32n;
/** QEMU refuses larger firmware (hw/i386/pc.c, max-fw-size). */
const maxFirmwareSize = 16 * 1024 * 1024;

const footerGuid = "96b582de-1fb2-45f7-baea-a366c55a082d";
const entryHeaderSize = 18;
/** The table ends this many bytes before the end of the file, just above the reset vector. */
const tableEndFromEnd = 32;

/** The GUIDs of the table's entries that hal reads. */
export const firmwareGuids = {
  /** u32: the address at which SEV-ES and SEV-SNP application processors start */
  apResetEip: "00f771de-1a7e-4fcb-890e-68c77e2fb44e",
  /** u32 address, u32 size: the memory into which QEMU writes the SHA-256 hashes of kernel, initrd and command line */
  hashesTable: "7255371f-3a3b-4b04-927b-1da6efa8d454",
  /** u32: offset of the SEV metadata from the end of the file */
  sevMetadata: "dc886566-984a-4798-a75e-5585a7bf67cc",
  /** u32: offset of the TDVF metadata from the end of the file */
  tdvfMetadata: "e47a6535-984a-4798-865e-4685a7bf8ec2",
} as const;

/** A firmware file of the OVMF family with the table of GUIDed entries at its end. */
export interface Firmware {
  readonly reader: ByteReader;
  /** Guest physical address of the file's first byte. */
  readonly gpa: bigint;
  /** Each entry's data, by GUID; empty if the file has no table. */
  readonly entries: ReadonlyMap<string, ByteReader>;
}

/**
 * Reads the GUIDed table at the end of an OVMF file (edk2 OvmfPkg/ResetVector; QEMU docs/specs/sev-guest-firmware). A file without the
 * footer GUID is firmware without entries. A table that contradicts itself is a kind "input" error.
 */
export function readFirmware(bytes: Uint8Array, file: string): Firmware {
  const reader = new ByteReader(bytes, file);
  if (bytes.length === 0 || bytes.length % pageSize !== 0) {
    throw reader.error(bytes.length, "firmware", `its size of ${bytes.length} bytes is not a multiple of ${pageSize}`);
  }
  if (bytes.length > maxFirmwareSize) {
    throw reader.error(maxFirmwareSize, "firmware", `its size of ${bytes.length} bytes is more than QEMU accepts (${maxFirmwareSize})`);
  }
  return { reader, gpa: fourGiB - BigInt(bytes.length), entries: readEntries(reader) };
}

/** Reads entries, the last one first. Each is data, u16 length of the whole entry, GUID. The footer's length is that of the table. */
function readEntries(reader: ByteReader): ReadonlyMap<string, ByteReader> {
  const entries = new Map<string, ByteReader>();
  const tableEnd = reader.length - tableEndFromEnd;
  const guidAt = (end: number) => guidText(reader.slice(end - 16, 16, "firmware table entry GUID"));
  if (guidAt(tableEnd) !== footerGuid) return entries;

  const tableSize = reader.u16(tableEnd - entryHeaderSize, "firmware table footer");
  const tableStart = tableEnd - tableSize;
  if (tableSize < entryHeaderSize || tableStart < 0) {
    throw reader.error(tableEnd - entryHeaderSize, "firmware table footer", `a table of ${tableSize} bytes does not fit the file`);
  }
  let end = tableEnd - entryHeaderSize;
  while (end > tableStart) {
    const header = end - entryHeaderSize;
    if (header < tableStart) throw reader.error(tableStart, "firmware table", `${end - tableStart} bytes are too few for an entry`);
    const size = reader.u16(header, "firmware table entry length");
    if (size < entryHeaderSize || end - size < tableStart) {
      throw reader.error(header, "firmware table entry", `its length of ${size} bytes does not fit the table`);
    }
    const guid = guidAt(end);
    if (entries.has(guid)) throw reader.error(header, "firmware table entry", `a second entry ${guid}`);
    entries.set(guid, reader.sub(end - size, size - entryHeaderSize, "firmware table entry"));
    end -= size;
  }
  return entries;
}

/** The address at which application processors start (edk2 SEV-ES reset block). A kind "input" error for firmware without it. */
export function apResetEip(firmware: Firmware): number {
  return requireEntry(firmware, firmwareGuids.apResetEip, "SEV-ES reset block").u32(0, "SEV-ES reset block");
}

/**
 * Guest physical address of the kernel hashes table; undefined for firmware that does not measure a kernel. A kind "input" error for
 * firmware that reserves less than `needed` bytes. QEMU refuses it too (target/i386/sev.c, sev_add_kernel_loader_hashes).
 */
export function hashesTableGpa(firmware: Firmware, needed: number): bigint | undefined {
  const structure = "SEV hashes table entry";
  const entry = firmware.entries.get(firmwareGuids.hashesTable);
  const gpa = entry?.u32(0, structure) ?? 0;
  if (entry === undefined || gpa === 0) return undefined;
  const size = entry.u32(4, structure);
  if (size < needed) throw entry.error(4, structure, `reserves ${size} bytes, but the table has ${needed}`);
  return BigInt(gpa);
}

/** Offset in the file of the metadata block that an entry points at. The entry has the offset from the end of the file. */
export function metadataOffset(firmware: Firmware, guid: string, structure: string): number {
  const entry = requireEntry(firmware, guid, structure);
  const fromEnd = entry.u32(0, structure);
  const offset = firmware.reader.length - fromEnd;
  if (offset < 0) throw entry.error(0, structure, `offset ${fromEnd} from the end is before the start of the file`);
  return offset;
}

function requireEntry(firmware: Firmware, guid: string, structure: string): ByteReader {
  const entry = firmware.entries.get(guid);
  if (entry !== undefined) return entry;
  throw new HalError("input", `${structure}: the firmware's table has no entry ${guid}`, {
    at: { file: firmware.reader.file, offset: firmware.reader.length - tableEndFromEnd },
    remedy: "Use an OVMF build with support for this platform.",
  });
}
