import { refuseOverlap } from "./overlap.js";
import { type Firmware, firmwareGuids, metadataOffset } from "./ovmf.js";
import { maxSectionSize, pageSize } from "./x86.js";

const signature = 0x56455341; // "ASEV"
const headerSize = 16;
const sectionSize = 12;

/** Section types by number (edk2 OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm; QEMU target/i386/sev.h). */
const sectionTypes = {
  1: "secMemory",
  2: "secrets",
  3: "cpuid",
  4: "svsmCallingArea",
  16: "kernelHashes",
} as const;

export type SevSectionType = (typeof sectionTypes)[keyof typeof sectionTypes];

export interface SevSection {
  readonly type: SevSectionType;
  readonly gpa: bigint;
  /** Bytes, a multiple of 4096; 0 for a section that a build omits. */
  readonly size: number;
  /** Offset of the section's descriptor in the file, for errors. */
  readonly offset: number;
}

/** Sections that the processor or hypervisor fills in, which are one page. */
const onePage: ReadonlySet<SevSectionType> = new Set(["secrets", "cpuid", "kernelHashes"]);

/**
 * The memory that SEV-SNP firmware needs at launch besides itself, in file order.
 * A kind "input" error if the firmware has no such list, or if the list contradicts itself, overlaps itself or the firmware.
 */
export function readSevMetadata(firmware: Firmware): readonly SevSection[] {
  const { reader } = firmware;
  const start = metadataOffset(firmware, firmwareGuids.sevMetadata, "SEV metadata");
  if (reader.u32(start, "SEV metadata signature") !== signature) throw reader.error(start, "SEV metadata signature", "is not ASEV");
  const size = reader.u32(start + 4, "SEV metadata size");
  const version = reader.u32(start + 8, "SEV metadata version");
  const count = reader.u32(start + 12, "SEV metadata section count");
  if (version !== 1) throw reader.error(start + 8, "SEV metadata version", `${version} is not supported; hal reads version 1`);
  if (size !== headerSize + count * sectionSize) {
    throw reader.error(start + 4, "SEV metadata size", `${size} bytes do not hold exactly ${count} sections`);
  }
  reader.slice(start, size, "SEV metadata");

  const sections = Array.from({ length: count }, (_, index) => readSection(firmware, start + headerSize + index * sectionSize));
  refuseOverlap(reader, "SEV metadata section", [
    ...sections,
    { gpa: firmware.gpa, size: reader.length, offset: start, what: "the firmware itself" },
  ]);
  return sections;
}

function readSection({ reader }: Firmware, offset: number): SevSection {
  const structure = "SEV metadata section";
  const gpa = reader.u32(offset, structure);
  const size = reader.u32(offset + 4, structure);
  const typeNumber = reader.u32(offset + 8, structure);
  const type = (sectionTypes as Readonly<Record<number, SevSectionType>>)[typeNumber];
  if (type === undefined) throw reader.error(offset + 8, structure, `type ${typeNumber} is not known`);
  if (gpa % pageSize !== 0) throw reader.error(offset, structure, `address 0x${gpa.toString(16)} is not page aligned`);
  if (size % pageSize !== 0 || size > maxSectionSize) {
    throw reader.error(offset + 4, structure, `size 0x${size.toString(16)} is not a number of pages up to ${maxSectionSize} bytes`);
  }
  if (onePage.has(type) && size > pageSize) throw reader.error(offset + 4, structure, `a ${type} section is one page, not ${size} bytes`);
  return { type, gpa: BigInt(gpa), size, offset };
}
