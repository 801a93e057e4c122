import { crc32 } from "node:zlib";
import type { ByteReader } from "../lib/bytes.js";

const magic = 0x4d564749; // "IGVM"
const fixedHeaderSize = 24;
const alignment = 8;
/** A loader skips a header whose type it does not know, if the type has this bit. */
const ignorable = 0x80000000;

/** Headers appear in this order. */
const sections = ["platform", "initialization", "directive"] as const;

interface HeaderKind {
  readonly section: (typeof sections)[number];
  readonly kind: string;
  /** Bytes of the body. */
  readonly size: number;
  /** Offset in the body of the compatibility mask, if it has one. */
  readonly mask?: number;
  /** [offset, size] in the body of the bytes that must be zero. */
  readonly reserved?: readonly [number, number];
}

/** A parameter that the loader fills in: {u32 area, u32 byte offset}. */
const parameter = { section: "directive", kind: "parameter", size: 8 } as const;

/** Every header of format version 1 (microsoft/igvm, igvm_defs, IgvmVariableHeaderType), by type. */
const headerKinds = {
  1: { section: "platform", kind: "supported platform", size: 16, mask: 0 },
  257: { section: "initialization", kind: "guest policy", size: 16, mask: 8, reserved: [12, 4] },
  258: { section: "initialization", kind: "relocatable region", size: 48, mask: 0 },
  259: { section: "initialization", kind: "page table relocation", size: 32, mask: 24, reserved: [31, 1] },
  260: { section: "initialization", kind: "CoRIM document", size: 16, mask: 0 },
  261: { section: "initialization", kind: "CoRIM signature", size: 16, mask: 0 },
  262: { section: "initialization", kind: "CCA policy", size: 32, mask: 0 },
  769: { section: "directive", kind: "parameter area", size: 16 },
  770: { section: "directive", kind: "page data", size: 24, mask: 8, reserved: [22, 2] },
  771: { section: "directive", kind: "parameter insert", size: 16, mask: 8 },
  772: { section: "directive", kind: "VP context", size: 20, mask: 8, reserved: [18, 2] },
  773: { section: "directive", kind: "required memory", size: 24, mask: 8, reserved: [20, 4] },
  775: parameter, // VP count
  776: parameter, // SRAT
  777: parameter, // MADT
  778: parameter, // MMIO ranges
  779: { section: "directive", kind: "SNP ID block", size: 696, mask: 0, reserved: [5, 3] },
  780: parameter, // memory map
  781: { section: "directive", kind: "error range", size: 16, mask: 8 },
  782: parameter, // command line
  783: parameter, // SLIT
  784: parameter, // PPTT
  785: { section: "directive", kind: "VBS measurement", size: 864, mask: 0 },
  786: parameter, // device tree
  787: parameter, // environment info
} as const satisfies Readonly<Record<number, HeaderKind>>;

export type IgvmHeaderKind = (typeof headerKinds)[keyof typeof headerKinds]["kind"];

export interface IgvmHeader {
  readonly kind: IgvmHeaderKind;
  /** The body. Its errors name offsets in the file. */
  readonly body: ByteReader;
  /** Bit set of the platforms that the header applies to; 0 for kinds that apply to all. */
  readonly mask: number;
}

/**
 * Splits an IGVM file, format version 1, into its variable headers, in file order, and returns the offset of the file data. Verifies the
 * checksum, sizes, padding, reserved bytes and the order of sections. Skips unknown headers that are marked as ignorable.
 */
export function readIgvmHeaders(reader: ByteReader): { readonly headers: readonly IgvmHeader[]; readonly dataStart: number } {
  const dataStart = readFixedHeader(reader);
  const headers: IgvmHeader[] = [];
  let section = 0;
  for (let offset = fixedHeaderSize; offset < dataStart; ) {
    const type = reader.u32(offset, "IGVM variable header");
    const { body, next } = readBody(reader, offset, dataStart);
    const kind = (headerKinds as Readonly<Record<number, HeaderKind & { readonly kind: IgvmHeaderKind }>>)[type];
    if (kind === undefined && type < ignorable)
      throw reader.error(offset, "IGVM variable header", `type 0x${type.toString(16)} is not known`);
    if (kind !== undefined) {
      if (body.length !== kind.size) throw reader.error(offset + 4, `IGVM ${kind.kind}`, `has ${body.length} bytes, not ${kind.size}`);
      if (sections.indexOf(kind.section) < section) {
        throw reader.error(offset, `IGVM ${kind.kind}`, `comes after a header of the ${sections[section]} section`);
      }
      section = sections.indexOf(kind.section);
      headers.push({ kind: kind.kind, body, mask: checkBody(body, kind) });
    }
    offset = next;
  }
  return { headers, dataStart };
}

/** Reads six u32: magic, version, offset and size of the variable headers, file size, CRC-32 of all headers. Returns the headers' end. */
function readFixedHeader(reader: ByteReader): number {
  const structure = "IGVM fixed header";
  const field = (index: number) => reader.u32(index * 4, structure);
  if (field(0) !== magic) throw reader.error(0, structure, "the magic is not IGVM");
  if (field(1) !== 1) throw reader.error(4, structure, `format version ${field(1)} is not supported; hal reads version 1`);
  if (field(2) !== fixedHeaderSize) throw reader.error(8, structure, `variable headers start at ${field(2)}, not at ${fixedHeaderSize}`);
  if (field(3) % alignment !== 0) throw reader.error(12, structure, `variable header size ${field(3)} is not a multiple of ${alignment}`);
  if (field(4) !== reader.length) throw reader.error(16, structure, `states ${field(4)} bytes, but the file has ${reader.length}`);
  const end = fixedHeaderSize + field(3);
  const headers = Uint8Array.from(reader.slice(0, end, "IGVM variable headers"));
  headers.fill(0, 20, 24);
  const checksum = crc32(headers);
  if (field(5) !== checksum) {
    throw reader.error(20, structure, `checksum 0x${field(5).toString(16)}, but that of the headers is 0x${checksum.toString(16)}`);
  }
  return end;
}

/** Reads one header: {u32 type, u32 length, body padded with zeros to a multiple of 8}. */
function readBody(reader: ByteReader, offset: number, end: number): { readonly body: ByteReader; readonly next: number } {
  const structure = "IGVM variable header";
  const length = reader.u32(offset + 4, structure);
  const start = offset + 8;
  const next = start + Math.ceil(length / alignment) * alignment;
  if (next > end) throw reader.error(offset + 4, structure, `its ${length} bytes do not fit into the header area`);
  if (reader.slice(start + length, next - start - length, structure).some((byte) => byte !== 0)) {
    throw reader.error(start + length, structure, "its padding is not zero");
  }
  return { body: reader.sub(start, length, structure), next };
}

/** Checks the reserved bytes and returns the compatibility mask. */
function checkBody(body: ByteReader, { kind, mask, reserved }: HeaderKind): number {
  if (reserved !== undefined && body.slice(...reserved, `IGVM ${kind}`).some((byte) => byte !== 0)) {
    throw body.error(reserved[0], `IGVM ${kind}`, "reserved bytes are not zero");
  }
  return mask === undefined ? 0 : body.u32(mask, `IGVM ${kind}`);
}
