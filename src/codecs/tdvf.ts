import { refuseOverlap } from "./overlap.js";
import { type Firmware, firmwareGuids, metadataOffset } from "./ovmf.js";
import { gpaLimit, maxSectionSize, pageSize } from "./x86.js";

const signature = 0x46564454; // "TDVF"
const headerSize = 16;
const sectionSize = 32;

/** Section types that QEMU launches (hw/i386/tdvf.c); it refuses any other. */
const sectionTypes = ["BFV", "CFV", "TD_HOB", "TEMP_MEM"] as const;
type TdvfSectionType = (typeof sectionTypes)[number];
const fromFile: ReadonlySet<TdvfSectionType> = new Set(["BFV", "CFV"]);

const attributeExtend = 1;
const attributeAugment = 2;

export interface TdvfSection {
  readonly type: TdvfSectionType;
  readonly gpa: bigint;
  /** Bytes of guest memory, a multiple of 4096. */
  readonly size: number;
  /** The initial contents, from the file; empty for memory that starts as zeros. */
  readonly data: Uint8Array;
  /** MRTD covers the contents and not only the addresses. */
  readonly extend: boolean;
  /** The guest accepts the memory later, and no measurement covers it. */
  readonly augment: boolean;
  /** Offset of the section's descriptor in the file, for errors. */
  readonly offset: number;
}

/**
 * The memory that a TD starts with, in file order (TDVF Design Guide, "TDVF Metadata").
 * A kind "input" error if the firmware has no such list, or if the list contradicts or overlaps itself.
 */
export function readTdvfMetadata(firmware: Firmware): readonly TdvfSection[] {
  const { reader } = firmware;
  const start = metadataOffset(firmware, firmwareGuids.tdvfMetadata, "TDVF metadata");
  if (reader.u32(start, "TDVF metadata signature") !== signature) throw reader.error(start, "TDVF metadata signature", "is not TDVF");
  const size = reader.u32(start + 4, "TDVF metadata size");
  const version = reader.u32(start + 8, "TDVF metadata version");
  const count = reader.u32(start + 12, "TDVF metadata section count");
  if (version !== 1) throw reader.error(start + 8, "TDVF metadata version", `${version} is not supported; hal reads version 1`);
  if (size !== headerSize + count * sectionSize) {
    throw reader.error(start + 4, "TDVF metadata size", `${size} bytes do not hold exactly ${count} sections`);
  }
  reader.slice(start, size, "TDVF metadata");

  const sections = Array.from({ length: count }, (_, index) => readSection(firmware, start + headerSize + index * sectionSize));
  refuseOverlap(reader, "TDVF section", sections);
  return sections;
}

function readSection({ reader }: Firmware, offset: number): TdvfSection {
  const structure = "TDVF section";
  const dataOffset = reader.u32(offset, structure);
  const dataSize = reader.u32(offset + 4, structure);
  const gpa = reader.u64(offset + 8, structure);
  const size = reader.u64(offset + 16, structure);
  const typeNumber = reader.u32(offset + 24, structure);
  const attributes = reader.u32(offset + 28, structure);

  const type = sectionTypes[typeNumber];
  if (type === undefined) throw reader.error(offset + 24, structure, `type ${typeNumber} is not one that QEMU launches`);
  if (gpa % BigInt(pageSize) !== 0n) throw reader.error(offset + 8, structure, `address 0x${gpa.toString(16)} is not page aligned`);
  if (size % BigInt(pageSize) !== 0n || size > BigInt(maxSectionSize)) {
    throw reader.error(offset + 16, structure, `size 0x${size.toString(16)} is not a number of pages up to ${maxSectionSize} bytes`);
  }
  if (gpa + size > gpaLimit) throw reader.error(offset + 8, structure, `address 0x${gpa.toString(16)} is beyond 52 bits`);
  if (dataSize > size) throw reader.error(offset + 4, structure, `${dataSize} bytes of data do not fit into ${size} bytes of memory`);
  if (fromFile.has(type) !== dataSize > 0) throw reader.error(offset + 4, structure, `a ${type} section with ${dataSize} bytes of data`);
  if (fromFile.has(type) && (attributes & attributeExtend) !== 0 && BigInt(dataSize) !== size) {
    // QEMU continues with the next bytes of the file, the design guide with zeros.
    throw reader.error(offset + 4, structure, `${dataSize} bytes of data for ${size} measured bytes, which loaders pad differently`);
  }
  if (attributes > (attributeExtend | attributeAugment)) {
    throw reader.error(offset + 28, structure, `attributes 0x${attributes.toString(16)} are not known`);
  }
  if (attributes === (attributeExtend | attributeAugment)) {
    throw reader.error(offset + 28, structure, "memory that is both measured and added after launch");
  }
  return {
    type,
    gpa,
    size: Number(size),
    data: dataSize === 0 ? new Uint8Array() : reader.slice(dataOffset, dataSize, `${structure} data`),
    extend: (attributes & attributeExtend) !== 0,
    augment: (attributes & attributeAugment) !== 0,
    offset,
  };
}
