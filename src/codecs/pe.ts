import { ByteReader } from "../lib/bytes.js";

const dosMagic = 0x5a4d; // "MZ"
const peMagic = 0x00004550; // "PE\0\0"
/** COFF machine of x86-64 (PE Format, "Machine Types"). */
export const x86Machine = 0x8664;
const coffHeaderSize = 20;
const sectionHeaderSize = 40;
/** The most sections that an image may have (PE Format, "COFF File Header": the loader's limit). */
const maxSections = 96;
const securityDirectory = 4;
/** The offset of NumberOfRvaAndSizes in the optional header, by the header's magic (PE Format, "Optional Header"). */
const optionalHeaders: Readonly<Record<number, { readonly name: string; readonly directoryCount: number }>> = {
  267: { name: "PE32", directoryCount: 92 },
  523: { name: "PE32+", directoryCount: 108 },
};
const sizeOfHeadersField = 60;
const checksumField = 64;

export interface PeSection {
  readonly name: string;
  readonly virtualAddress: number;
  readonly virtualSize: number;
  /** Offset and number of its bytes in the file. */
  readonly offset: number;
  readonly size: number;
  /** Offset of its header in the file, for errors. */
  readonly header: number;
}

/** The parts of a PE/COFF image that Authenticode and systemd-stub depend on. */
export interface PeImage {
  readonly reader: ByteReader;
  /** COFF machine, such as `x86Machine`. */
  readonly machine: number;
  /** Offset of the CheckSum field. */
  readonly checksum: number;
  /** Offset of the data directory's certificate table entry; absent when the directory ends before it. */
  readonly securityEntry?: number;
  readonly sizeOfHeaders: number;
  /** Bytes of certificates at the end of the file. */
  readonly certificateSize: number;
  /** In the order of the section table. */
  readonly sections: readonly PeSection[];
}

/**
 * Reads a PE/COFF image (Microsoft PE Format): headers, section table, certificate table. Headers, sections and certificates must not
 * overlap, because firmware implementations measure such a file differently.
 * A kind "input" error at the offset of the field that is wrong.
 */
export function readPe(bytes: Uint8Array, file: string, base = 0): PeImage {
  const reader = new ByteReader(bytes, file, base);
  if (reader.u16(0, "DOS header") !== dosMagic) throw reader.error(0, "DOS header", "does not start with MZ: not a PE image");
  const pe = reader.u32(0x3c, "DOS header");
  if (pe < 0x40) throw reader.error(0x3c, "DOS header", `the PE header at 0x${pe.toString(16)} would overlap it`);
  if (reader.u32(pe, "PE signature") !== peMagic) throw reader.error(pe, "PE signature", "is not PE\\0\\0");
  const machine = reader.u16(pe + 4, "COFF header");
  const sectionCount = reader.u16(pe + 6, "COFF header");
  const optionalSize = reader.u16(pe + 20, "COFF header");
  if (sectionCount === 0 || sectionCount > maxSections) {
    throw reader.error(pe + 6, "COFF header", `${sectionCount} sections; 1 to ${maxSections} are allowed`);
  }
  const optional = pe + 4 + coffHeaderSize;
  const magic = reader.u16(optional, "optional header");
  const kind = optionalHeaders[magic];
  if (kind === undefined) throw reader.error(optional, "optional header", `magic 0x${magic.toString(16)} is neither PE32 nor PE32+`);
  if (optionalSize < kind.directoryCount + 4)
    throw reader.error(pe + 20, "COFF header", `${optionalSize} bytes are too few for a ${kind.name} optional header`);
  const directories = reader.u32(optional + kind.directoryCount, "optional header");
  if (directories > 16 || kind.directoryCount + 4 + directories * 8 > optionalSize) {
    throw reader.error(optional + kind.directoryCount, "optional header", `${directories} data directories do not fit into it`);
  }
  const table = optional + optionalSize;
  const tableEnd = table + sectionCount * sectionHeaderSize;
  const sizeOfHeaders = reader.u32(optional + sizeOfHeadersField, "optional header");
  if (sizeOfHeaders < tableEnd || sizeOfHeaders > reader.length) {
    throw reader.error(
      optional + sizeOfHeadersField,
      "optional header",
      `headers of ${sizeOfHeaders} bytes: the section table ends at ${tableEnd}, the file at ${reader.length}`,
    );
  }
  const sections = Array.from({ length: sectionCount }, (_, index) =>
    readSection(reader, table + index * sectionHeaderSize, sizeOfHeaders),
  );
  refuseOverlap(reader, sections);
  const securityEntry = directories > securityDirectory ? optional + kind.directoryCount + 4 + securityDirectory * 8 : undefined;
  const certificateSize = securityEntry === undefined ? 0 : readCertificates(reader, securityEntry, sections, sizeOfHeaders);
  return {
    reader,
    machine,
    checksum: optional + checksumField,
    ...(securityEntry === undefined ? {} : { securityEntry }),
    sizeOfHeaders,
    certificateSize,
    sections,
  };
}

function readSection(reader: ByteReader, header: number, sizeOfHeaders: number): PeSection {
  const name = Buffer.from(reader.slice(header, 8, "section header"))
    .toString("latin1")
    .replace(/\0+$/, "");
  const size = reader.u32(header + 16, "section header");
  const offset = reader.u32(header + 20, "section header");
  if (size > 0) {
    if (offset < sizeOfHeaders)
      throw reader.error(header + 20, "section header", `its data at 0x${offset.toString(16)} overlaps the headers`);
    if (offset + size > reader.length) {
      throw reader.error(header + 16, "section header", `its data ends at ${offset + size}, the file at ${reader.length}`);
    }
  }
  return {
    name,
    virtualSize: reader.u32(header + 8, "section header"),
    virtualAddress: reader.u32(header + 12, "section header"),
    size,
    offset,
    header,
  };
}

function refuseOverlap(reader: ByteReader, sections: readonly PeSection[]): void {
  let end = 0;
  for (const section of [...sections].filter(({ size }) => size > 0).sort((a, b) => a.offset - b.offset)) {
    if (section.offset < end) throw reader.error(section.header + 20, "section header", "its data overlaps another section's");
    end = section.offset + section.size;
  }
}

/** The certificate table must be the end of the file: firmware ignores that many bytes at the end, whatever offset the entry states. */
function readCertificates(reader: ByteReader, entry: number, sections: readonly PeSection[], sizeOfHeaders: number): number {
  const offset = reader.u32(entry, "certificate table entry");
  const size = reader.u32(entry + 4, "certificate table entry");
  if (size === 0) return 0;
  const dataEnd = Math.max(sizeOfHeaders, ...sections.map((section) => (section.size > 0 ? section.offset + section.size : 0)));
  if (offset + size !== reader.length)
    throw reader.error(entry, "certificate table entry", `its end at ${offset + size} is not the end of the file (${reader.length})`);
  if (offset < dataEnd) throw reader.error(entry, "certificate table entry", `the table at 0x${offset.toString(16)} overlaps section data`);
  return size;
}
