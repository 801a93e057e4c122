import { digestsOf } from "../lib/banks.js";
import { ByteReader } from "../lib/bytes.js";
import { HalError } from "../lib/errors.js";
import { guidBytes, guidText } from "../lib/guid.js";
import type { BootEvent } from "../measure/events.js";
import { decodeLzma } from "./lzma.js";
import type { Firmware } from "./ovmf.js";

/** EFI_FIRMWARE_FILE_SYSTEM2_GUID: volumes whose files can be walked. */
const fileSystem = "8c8ce578-8a3d-4f1c-9935-896185c32dd3";
const lzmaSection = "ee4e5898-3914-4259-9d6e-dc7bd79403cf";
/** EFI_FV_FILETYPE_FIRMWARE_VOLUME_IMAGE; EFI_SECTION_GUID_DEFINED and _FIRMWARE_VOLUME_IMAGE. */
const volumeFile = 0x0b;
const guidDefined = 0x02;
const volumeSection = 0x17;
/** OVMF unpacks to 16 MB. */
const maxUnpacked = 32 * 1024 * 1024;

/** The volumes that OVMF unpacks into memory: those of its PEI and DXE phases. */
export interface UnpackedVolumes {
  readonly pei: Uint8Array;
  readonly dxe: Uint8Array;
}

/** Several questions are asked of the same firmware, and unpacking is most of the work of each. */
const unpacked = new WeakMap<Firmware, UnpackedVolumes>();

/**
 * Unpacks the two volumes that OVMF carries compressed (Platform Initialization Specification, volume 3: firmware volumes, files and
 * sections; edk2 OvmfPkg/Sec, DecompressMemFvs). A kind "input" error for firmware that is not packed so.
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

/** Offset of the first file that holds volumes. Files follow each other at multiples of 8 bytes; the rest of a volume is erased flash. */
function findFile(volume: ByteReader, first: number): number | undefined {
  const structure = "firmware file";
  for (let offset = (first + 7) & ~7; offset + 24 <= volume.length; ) {
    const size = u24(volume, offset + 20, structure);
    if (size === 0xffffff) return undefined;
    if (size < 24) throw volume.error(offset, structure, `${size} bytes`);
    if (volume.u8(offset + 18, structure) === volumeFile) return offset;
    offset = (offset + size + 7) & ~7;
  }
  return undefined;
}

function unpack(volume: ByteReader, fileAt: number): UnpackedVolumes {
  const at = fileAt + 24;
  const structure = "compressed firmware section";
  const size = u24(volume, at, structure);
  if (volume.u8(at + 3, structure) !== guidDefined || guidText(volume.slice(at + 4, 16, structure)) !== lzmaSection)
    throw volume.error(at, structure, "is not packed with LZMA");
  const dataAt = volume.u16(at + 20, structure);
  const packed = volume.sub(at + dataAt, size - dataAt, structure);
  const sections = new ByteReader(decodeLzma(packed, maxUnpacked), `${volume.file} (unpacked)`);
  const volumes = [...volumeSections(sections)];
  const [pei, dxe, more] = volumes;
  if (pei === undefined || dxe === undefined || more !== undefined)
    throw volume.error(at, structure, `holds ${volumes.length} firmware volumes instead of PEI's and DXE's`);
  return { pei, dxe };
}

/** Sections follow each other at multiples of 4 bytes; one of 16 MB or more has its size behind its header. */
function* volumeSections(reader: ByteReader): Generator<Uint8Array> {
  const structure = "firmware section";
  for (let offset = 0; offset + 4 <= reader.length; ) {
    const short = u24(reader, offset, structure);
    const long = short === 0xffffff;
    const size = long ? reader.u32(offset + 4, structure) : short;
    const header = long ? 8 : 4;
    if (size < header) throw reader.error(offset, structure, `${size} bytes`);
    const body = reader.slice(offset + header, size - header, structure);
    if (reader.u8(offset + 3, structure) === volumeSection) yield body;
    offset = (offset + size + 3) & ~3;
  }
}

function u24(reader: ByteReader, offset: number, structure: string): number {
  return reader.u16(offset, structure) | (reader.u8(offset + 2, structure) << 16);
}

/**
 * PCR 0 up to its separator: the firmware's version as text, then the volumes as they lie in memory (TCG PC Client PFP 3.3.4.1; edk2
 * Tcg2Pei, MeasureCRTMVersion and MeasureFvImage). A kind "input" error where the firmware has another version than it is said to have.
 */
export function firmwareEvents(firmware: Firmware, version: string): readonly BootEvent[] {
  const { pei, dxe } = unpackVolumes(firmware);
  const text = Buffer.from(`${version}\0`, "utf16le");
  if (!hasText(Buffer.from(pei.buffer, pei.byteOffset, pei.length), text))
    throw firmware.reader.error(0, "firmware", `does not have '${version}' as its version: give all of it, such as 2026.08+ds-2`);
  const event = (what: string, bytes: Uint8Array): BootEvent => ({ what, digests: digestsOf(bytes), size: bytes.length, from: "firmware" });
  return [event(`firmware version '${version}'`, text), event("firmware volume of PEI", pei), event("firmware volume of DXE", dxe)];
}

/** Whether a text is there that is not the end of a longer one. */
function hasText(bytes: Buffer, text: Buffer): boolean {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    const before = at < 2 ? 0 : bytes.readUInt16LE(at - 2);
    if (before < 0x20 || before > 0x7e) return true;
  }
  return false;
}

/**
 * The edk2 release that OVMF has in its PEI volume as text, `2025.02-8+deb13u1`; undefined for firmware without one (Debian's before 2023
 * have an empty text) or with volumes that are packed otherwise.
 */
export function firmwareVersionIn(firmware: Firmware): string | undefined {
  const volumes = volumesIn(firmware);
  if (volumes === undefined) return undefined;
  const { pei } = volumes;
  // UTF-16LE: every other byte of such a text is a NUL.
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

/** FILE_GUID of SecureBootConfigDxe, which OVMF has if it is built with SECURE_BOOT_ENABLE and only then (edk2 OvmfPkg). */
const secureBootDriver = guidBytes("f0e6a44f-7195-41c3-ac64-54f202cd0a21");
/** How the platform key lies in a store of variables: its vendor's GUID, its name (edk2 VariableFormat.h). */
const platformKey = Buffer.concat([guidBytes("8be4df61-93ca-11d2-aa0d-00e098032b8c"), Buffer.from("PK\0", "utf16le")]);

/** What firmware makes of Secure Boot: keys that turn it on, the variable SecureBoot with the value 0, or none. */
export type SecureBoot = "keys" | "disabled" | "absent";

/** What a firmware file says of Secure Boot, with its store of variables if that is another file; undefined for one packed otherwise. */
export function secureBootOf(firmware: Firmware, variables: Uint8Array = firmware.reader.bytes): SecureBoot | undefined {
  if (Buffer.from(variables.buffer, variables.byteOffset, variables.length).includes(platformKey)) return "keys";
  const dxe = volumesIn(firmware)?.dxe;
  if (dxe === undefined) return undefined;
  return Buffer.from(dxe.buffer, dxe.byteOffset, dxe.length).includes(secureBootDriver) ? "disabled" : "absent";
}
