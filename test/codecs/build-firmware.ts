import { guidBytes } from "../../src/lib/guid.js";
import { u16, u32 } from "./integers.js";

/** A section of the SEV metadata, as in the file. */
export interface RawSevSection {
  readonly gpa: number;
  readonly size: number;
  readonly type: number;
}

export interface RawTdvfSection {
  readonly dataOffset: number;
  readonly dataSize: number;
  readonly gpa: bigint;
  readonly size: bigint;
  readonly type: number;
  readonly attributes: number;
}

export interface FirmwarePlan {
  /** Bytes, a multiple of 4096. */
  readonly size?: number;
  readonly apResetEip?: number;
  readonly hashesTable?: number;
  readonly sev?: readonly RawSevSection[];
  readonly tdvf?: readonly RawTdvfSection[];
}

export const sevSections: readonly RawSevSection[] = [
  { gpa: 0x800000, size: 0x3000, type: 1 },
  { gpa: 0x803000, size: 0x1000, type: 2 },
  { gpa: 0x804000, size: 0x1000, type: 3 },
  { gpa: 0x805000, size: 0x1000, type: 4 },
  { gpa: 0, size: 0, type: 1 },
  { gpa: 0x806000, size: 0x1000, type: 0x10 },
];

export const tdvfSections: readonly RawTdvfSection[] = [
  { dataOffset: 0x1000, dataSize: 0x3000, gpa: 0xffffd000n, size: 0x3000n, type: 0, attributes: 1 },
  { dataOffset: 0, dataSize: 0x1000, gpa: 0xffffc000n, size: 0x1000n, type: 1, attributes: 0 },
  { dataOffset: 0, dataSize: 0, gpa: 0x800000n, size: 0x2000n, type: 3, attributes: 0 },
  { dataOffset: 0, dataSize: 0, gpa: 0x900000n, size: 0x4000n, type: 3, attributes: 2 },
  { dataOffset: 0, dataSize: 0, gpa: 0x802000n, size: 0x1000n, type: 2, attributes: 0 },
];

/** A small file with OVMF's table and metadata, filled with a pattern. It follows edk2's sources, not hal's reader. */
export function buildFirmware(plan: FirmwarePlan = {}): Buffer {
  const { size = 0x4000, apResetEip = 0x80b004, hashesTable = 0x806c00, sev = sevSections, tdvf = tdvfSections } = plan;
  const file = Buffer.alloc(size);
  for (let offset = 0; offset < size; offset++) file[offset] = (offset * 7 + (offset >> 8)) & 0xff;
  file.fill(0, 0x1000, 0x1800);

  const sevMetadata = Buffer.alloc(16 + sev.length * 12);
  sevMetadata.write("ASEV");
  [sevMetadata.length, 1, sev.length].forEach((value, index) => {
    sevMetadata.writeUInt32LE(value, 4 + index * 4);
  });
  sev.forEach((section, index) => {
    sevMetadata.writeUInt32LE(section.gpa, 16 + index * 12);
    sevMetadata.writeUInt32LE(section.size, 20 + index * 12);
    sevMetadata.writeUInt32LE(section.type, 24 + index * 12);
  });
  const tdvfMetadata = Buffer.alloc(16 + tdvf.length * 32);
  tdvfMetadata.write("TDVF");
  [tdvfMetadata.length, 1, tdvf.length].forEach((value, index) => {
    tdvfMetadata.writeUInt32LE(value, 4 + index * 4);
  });
  tdvf.forEach((section, index) => {
    const at = 16 + index * 32;
    tdvfMetadata.writeUInt32LE(section.dataOffset, at);
    tdvfMetadata.writeUInt32LE(section.dataSize, at + 4);
    tdvfMetadata.writeBigUInt64LE(section.gpa, at + 8);
    tdvfMetadata.writeBigUInt64LE(section.size, at + 16);
    tdvfMetadata.writeUInt32LE(section.type, at + 24);
    tdvfMetadata.writeUInt32LE(section.attributes, at + 28);
  });
  const sevAt = size - 0x400;
  const tdvfAt = size - 0x800;
  sevMetadata.copy(file, sevAt);
  tdvfMetadata.copy(file, tdvfAt);

  const entries = [
    entry("e47a6535-984a-4798-865e-4685a7bf8ec2", u32(size - tdvfAt)),
    entry("dc886566-984a-4798-a75e-5585a7bf67cc", u32(size - sevAt)),
    entry("7255371f-3a3b-4b04-927b-1da6efa8d454", Buffer.concat([u32(hashesTable), u32(0x400)])),
    entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", u32(apResetEip)),
  ];
  const body = Buffer.concat(entries);
  const table = Buffer.concat([body, u16(body.length + 18), guidBytes("96b582de-1fb2-45f7-baea-a366c55a082d")]);
  table.copy(file, size - 32 - table.length);
  return file;
}

function entry(guid: string, data: Buffer): Buffer {
  return Buffer.concat([data, u16(data.length + 18), guidBytes(guid)]);
}
