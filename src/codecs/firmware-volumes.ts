import { ByteReader } from "../lib/bytes.js";
import { HalError } from "../lib/errors.js";
import { guidBytes, guidText } from "../lib/guid.js";
import { decodeLzma } from "./lzma.js";
import type { Firmware } from "./ovmf.js";

/** EFI_FIRMWARE_FILE_SYSTEM2_GUID marks a volume that contains files. */
const fileSystem = "8c8ce578-8a3d-4f1c-9935-896185c32dd3";
/** The GUID of a section that is compressed with LZMA (edk2 MdeModulePkg/Include/Guid/LzmaDecompress.h). */
const lzmaSection = "ee4e5898-3914-4259-9d6e-dc7bd79403cf";
/** EFI_FV_FILETYPE_FIRMWARE_VOLUME_IMAGE. */
const volumeFile = 0x0b;
/** EFI_SECTION_GUID_DEFINED and EFI_SECTION_FIRMWARE_VOLUME_IMAGE. */
const sectionTypes = { guidDefined: 0x02, volume: 0x17 } as const;
const fileHeaderSize = 24;
/** OVMF unpacks to 16 MB. */
const maxUnpacked = 32 * 1024 * 1024;

/** The volumes that OVMF unpacks into memory: those of its PEI and DXE phases. */
export interface UnpackedVolumes {
  readonly pei: Uint8Array;
  readonly dxe: Uint8Array;
}

/** Unpacked volumes, kept because several functions need them and unpacking is slow. */
const unpacked = new WeakMap<Firmware, UnpackedVolumes>();

/**
 * Unpacks the two compressed volumes of OVMF (Platform Initialization Specification, volume 3: firmware volumes, files and sections; edk2
 * OvmfPkg/Sec, DecompressMemFvs). Throws a kind "input" error for firmware with another structure.
 */
export function unpackVolumes(firmware: Firmware): UnpackedVolumes {
  const volumes = unpacked.get(firmware) ?? findVolumes(firmware);
  unpacked.set(firmware, volumes);
  return volumes;
}

function findVolumes({ reader }: Firmware): UnpackedVolumes {
  for (let offset = 0; offset < reader.length; ) {
    const structure = "firmware volume";
    if (Buffer.from(reader.slice(offset + 40, 4, structure)).toString("latin1") !== "_FVH")
      throw reader.error(offset, structure, "has no signature _FVH");
    const size = Number(reader.u64(offset + 32, structure));
    const headerSize = reader.u16(offset + 48, structure);
    const volume = reader.sub(offset, size, structure);
    if (headerSize < 56 || size <= headerSize) throw reader.error(offset, structure, `${size} bytes with a header of ${headerSize}`);
    const file = guidText(volume.slice(16, 16, structure)) === fileSystem ? findFile(volume, headerSize) : undefined;
    if (file !== undefined) return unpack(volume, file);
    offset += size;
  }
  throw reader.error(reader.length, "firmware", "has no compressed volumes");
}

/**
 * Offset of the first file that contains volumes; undefined if no file does. Files start at multiples of 8 bytes. After the last file, the
 * volume contains erased flash.
 */
function findFile(volume: ByteReader, first: number): number | undefined {
  const structure = "firmware file";
  for (let offset = (first + 7) & ~7; offset + fileHeaderSize <= volume.length; ) {
    const size = u24(volume, offset + 20, structure);
    if (size === 0xffffff) return undefined;
    if (size < fileHeaderSize) throw volume.error(offset, structure, `${size} bytes`);
    if (volume.u8(offset + 18, structure) === volumeFile) return offset;
    offset = (offset + size + 7) & ~7;
  }
  return undefined;
}

function unpack(volume: ByteReader, fileAt: number): UnpackedVolumes {
  const at = fileAt + fileHeaderSize;
  const structure = "compressed firmware section";
  const size = u24(volume, at, structure);
  if (volume.u8(at + 3, structure) !== sectionTypes.guidDefined || guidText(volume.slice(at + 4, 16, structure)) !== lzmaSection)
    throw volume.error(at, structure, "is not compressed with LZMA");
  const dataAt = volume.u16(at + 20, structure);
  const packed = volume.sub(at + dataAt, size - dataAt, structure);
  const sections = new ByteReader(decodeLzma(packed, maxUnpacked), `${volume.file} (unpacked)`);
  const volumes = [...volumeSections(sections)];
  const [pei, dxe, more] = volumes;
  if (pei === undefined || dxe === undefined || more !== undefined)
    throw volume.error(at, structure, `contains ${volumes.length} firmware volumes instead of PEI's and DXE's`);
  return { pei, dxe };
}

/**
 * The volumes in a list of sections. Sections start at multiples of 4 bytes. A section of 16 MB or more stores its size
 * after its header.
 */
function* volumeSections(reader: ByteReader): Generator<Uint8Array> {
  const structure = "firmware section";
  for (let offset = 0; offset + 4 <= reader.length; ) {
    const short = u24(reader, offset, structure);
    const long = short === 0xffffff;
    const size = long ? reader.u32(offset + 4, structure) : short;
    const header = long ? 8 : 4;
    if (size < header) throw reader.error(offset, structure, `${size} bytes`);
    const body = reader.slice(offset + header, size - header, structure);
    if (reader.u8(offset + 3, structure) === sectionTypes.volume) yield body;
    offset = (offset + size + 3) & ~3;
  }
}

function u24(reader: ByteReader, offset: number, structure: string): number {
  return reader.u16(offset, structure) | (reader.u8(offset + 2, structure) << 16);
}

/**
 * The edk2 release that OVMF states as text in its PEI volume, `2025.02-8+deb13u1`. Undefined for firmware without such
 * a text, and for firmware whose volumes cannot be unpacked. Debian's firmware before 2023 contains an empty text.
 */
export function firmwareVersionIn(firmware: Firmware): string | undefined {
  const volumes = volumesIn(firmware);
  if (volumes === undefined) return undefined;
  const { pei } = volumes;
  // The text is UTF-16LE: every other byte is a NUL.
  const text = Buffer.from(pei.buffer, pei.byteOffset, pei.length).toString("latin1");
  return /(?<![ -~]\0)2\0[0]\0[0-9]\0[0-9]\0\.\0[0-9]\0[0-9]\0(?:[!-~]\0)*(?=\0\0)/.exec(text)?.[0].replaceAll("\0", "");
}

function volumesIn(firmware: Firmware): UnpackedVolumes | undefined {
  try {
    return unpackVolumes(firmware);
  } catch (error) {
    if (error instanceof HalError && error.kind === "input") return undefined;
    throw error;
  }
}

/** FILE_GUID of SecureBootConfigDxe. OVMF contains it if and only if it is built with SECURE_BOOT_ENABLE (edk2 OvmfPkg). */
const secureBootDriver = guidBytes("f0e6a44f-7195-41c3-ac64-54f202cd0a21");
/** The platform key in a store of variables: EFI_GLOBAL_VARIABLE and the name (edk2 VariableFormat.h). */
const platformKey = Buffer.concat([guidBytes("8be4df61-93ca-11d2-aa0d-00e098032b8c"), Buffer.from("PK\0", "utf16le")]);

/**
 * The state of Secure Boot in firmware:
 * - `keys`: it has keys, and Secure Boot is on;
 * - `disabled`: it has no keys and sets the variable SecureBoot to 0;
 * - `absent`: it has no Secure Boot and sets no such variable.
 */
export type SecureBoot = "keys" | "disabled" | "absent";

/**
 * The state of Secure Boot in a firmware file; undefined for firmware whose volumes cannot be unpacked.
 * @param variables the firmware's store of variables, if it is another file
 */
export function secureBootOf(firmware: Firmware, variables: Uint8Array = firmware.reader.bytes): SecureBoot | undefined {
  if (Buffer.from(variables.buffer, variables.byteOffset, variables.length).includes(platformKey)) return "keys";
  const dxe = volumesIn(firmware)?.dxe;
  if (dxe === undefined) return undefined;
  return Buffer.from(dxe.buffer, dxe.byteOffset, dxe.length).includes(secureBootDriver) ? "disabled" : "absent";
}
