import { crc32 } from "node:zlib";
import { ByteReader } from "../lib/bytes.js";

/** The layout of an EIF (aws-nitro-enclaves-image-format, src/defs/mod.rs); all integers are big-endian. */
export const eifLayout = {
  magic: ".eif",
  version: 4,
  headerSize: 548,
  maxSections: 32,
  sectionHeaderSize: 12,
  flags: 6,
  memory: 8,
  cpus: 16,
  reserved: 24,
  sectionCount: 26,
  offsets: 28,
  sizes: 28 + 8 * 32,
  unused: 540,
  crc: 544,
  arm64: 1,
} as const;
/** Section types by number. */
export const sectionTypes = { kernel: 1, cmdline: 2, ramdisk: 3, signature: 4, metadata: 5 } as const;
export type EifSectionType = keyof typeof sectionTypes;

/** The order in which aws-nitro-enclaves-image-format writes sections. Metadata and signature may be missing; ramdisks may repeat. */
const order: readonly EifSectionType[] = ["kernel", "cmdline", "metadata", "ramdisk", "signature"];
const most: Readonly<Record<EifSectionType, number>> = { kernel: 1, cmdline: 1, metadata: 1, ramdisk: eifLayout.maxSections, signature: 1 };

export interface EifSection {
  readonly type: EifSectionType;
  /** Offset of its header in the file. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/** An AWS Nitro Enclave image file. */
export interface Eif {
  readonly reader: ByteReader;
  readonly arm64: boolean;
  /** Default memory of an enclave, bytes. */
  readonly memory: bigint;
  /** Default number of CPUs. */
  readonly cpus: bigint;
  readonly crc: number;
  readonly kernel: Uint8Array;
  readonly cmdline: Uint8Array;
  readonly ramdisks: readonly Uint8Array[];
  readonly metadata?: Uint8Array;
  /** CBOR, for signed images. */
  readonly signature?: EifSection;
}

/**
 * Reads an EIF of version 4: header, checksum and sections. Sections must follow each other without gaps, in the order of AWS's tool, up
 * to the end of the file. Anything else is a kind "input" error at its offset.
 */
export function readEif(bytes: Uint8Array, file: string): Eif {
  const reader = new ByteReader(bytes, file);
  const header = reader.slice(0, eifLayout.headerSize, "EIF header");
  if (Buffer.from(header.subarray(0, 4)).toString("latin1") !== eifLayout.magic)
    throw reader.error(0, "EIF header", "does not start with .eif");
  const version = reader.u16(4, "EIF header", true);
  if (version !== eifLayout.version)
    throw reader.error(4, "EIF header", `version ${version} is not supported; hal reads version ${eifLayout.version}`);
  const flags = reader.u16(eifLayout.flags, "EIF header", true);
  if ((flags & ~eifLayout.arm64) !== 0) throw reader.error(eifLayout.flags, "EIF header", `unknown flags 0x${flags.toString(16)}`);
  if (reader.u16(eifLayout.reserved, "EIF header", true) !== 0)
    throw reader.error(eifLayout.reserved, "EIF header", "its reserved field is not zero");
  if (reader.u32(eifLayout.unused, "EIF header", true) !== 0)
    throw reader.error(eifLayout.unused, "EIF header", "its unused field is not zero");
  const crc = reader.u32(eifLayout.crc, "EIF header", true);
  const actual = crc32(bytes.subarray(eifLayout.headerSize), crc32(header.subarray(0, eifLayout.crc)));
  if (crc !== actual)
    throw reader.error(eifLayout.crc, "EIF header", `the checksum is 0x${actual.toString(16)} and not 0x${crc.toString(16)}`);

  const sections = readSections(reader);
  const of = (type: EifSectionType) => sections.filter((section) => section.type === type);
  const [kernel] = of("kernel");
  const [cmdline] = of("cmdline");
  const ramdisks = of("ramdisk").map(({ data }) => data);
  const metadata = of("metadata")[0]?.data;
  const [signature] = of("signature");
  if (kernel === undefined || cmdline === undefined || ramdisks.length === 0) {
    throw reader.error(eifLayout.sectionCount, "EIF header", "kernel, command line or ramdisk is missing");
  }
  return {
    reader,
    arm64: (flags & eifLayout.arm64) !== 0,
    memory: reader.u64(eifLayout.memory, "EIF header", true),
    cpus: reader.u64(eifLayout.cpus, "EIF header", true),
    crc,
    kernel: kernel.data,
    cmdline: cmdline.data,
    ramdisks,
    ...(metadata === undefined ? {} : { metadata }),
    ...(signature === undefined ? {} : { signature }),
  };
}

function readSections(reader: ByteReader): EifSection[] {
  const count = reader.u16(eifLayout.sectionCount, "EIF header", true);
  if (count > eifLayout.maxSections)
    throw reader.error(eifLayout.sectionCount, "EIF header", `${count} sections; at most ${eifLayout.maxSections} are allowed`);
  const sections: EifSection[] = [];
  let next: number = eifLayout.headerSize;
  for (let index = 0; index < eifLayout.maxSections; index++) {
    const offsetField = eifLayout.offsets + index * 8;
    const sizeField = eifLayout.sizes + index * 8;
    const offset = reader.u64(offsetField, "EIF header", true);
    const size = reader.u64(sizeField, "EIF header", true);
    if (index >= count) {
      if (offset !== 0n || size !== 0n)
        throw reader.error(
          offset === 0n ? sizeField : offsetField,
          "EIF header",
          `contains an offset or size for section ${index}, but the number of sections is ${count}`,
        );
      continue;
    }
    if (offset !== BigInt(next))
      throw reader.error(offsetField, "EIF header", `section ${index} is at ${offset}, but the previous part ends at ${next}`);
    const section = readSection(reader, next, size, sizeField);
    refuseDisorder(reader, sections, section);
    sections.push(section);
    next += eifLayout.sectionHeaderSize + section.data.length;
  }
  if (next !== reader.length) throw reader.error(next, "EIF", `${reader.length - next} bytes follow the last section`);
  return sections;
}

function readSection(reader: ByteReader, offset: number, size: bigint, sizeField: number): EifSection {
  const number = reader.u16(offset, "EIF section", true);
  const type = order.find((name) => sectionTypes[name] === number);
  if (type === undefined) throw reader.error(offset, "EIF section", `unknown type ${number}`);
  if (reader.u16(offset + 2, "EIF section", true) !== 0) throw reader.error(offset + 2, "EIF section", "its flags are not zero");
  if (reader.u64(offset + 4, "EIF section", true) !== size)
    throw reader.error(sizeField, "EIF header", "the section's own header has another size");
  const start = offset + eifLayout.sectionHeaderSize;
  if (size > BigInt(reader.length - start))
    throw reader.error(offset + 4, "EIF section", `${size} bytes but the file has ${reader.length - start} left`);
  return { type, offset, data: reader.slice(start, Number(size), "EIF section") };
}

function refuseDisorder(reader: ByteReader, before: readonly EifSection[], section: EifSection): void {
  if (before.filter(({ type }) => type === section.type).length >= most[section.type]) {
    throw reader.error(section.offset, "EIF section", `a second section ${section.type}`);
  }
  const last = before.at(-1);
  if (last !== undefined && order.indexOf(section.type) < order.indexOf(last.type)) {
    throw reader.error(section.offset, "EIF section", `${section.type} after ${last.type}; the order is ${order.join(", ")}`);
  }
}
