import { crc32 } from "node:zlib";
import { HalError } from "../lib/errors.js";
import { cmdlineBytes } from "./cmdline.js";
import { type EifSectionType, eifLayout, sectionTypes } from "./eif.js";

/** The parts of an EIF. */
export interface EifContents {
  readonly kernel: Uint8Array;
  readonly cmdline: string;
  /** At least one. The first is the boot part, the others are the application. */
  readonly ramdisks: readonly Uint8Array[];
  readonly metadata: EifMetadata;
  readonly arm64?: boolean;
  /** The contents of the signature section; absent for an unsigned image. */
  readonly signature?: Uint8Array;
}

export interface EifMetadata {
  readonly imageName: string;
  readonly imageVersion: string;
  /** SOURCE_DATE_EPOCH, seconds. */
  readonly buildTime: number;
  readonly buildTool: string;
  readonly buildToolVersion: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
}

/**
 * The values that AWS's tool writes, 1 GiB and 2 CPUs. nitro-cli ignores them: its options set the memory and CPUs of
 * an enclave.
 */
const defaults = { memory: 1n << 30n, cpus: 2n } as const;

/** 9999-12-31T23:59:59Z, in seconds. */
const latestTime = 253_402_300_799;

/**
 * An EIF of version 4 (aws-nitro-enclaves-image-format, EifBuilder). Returns the parts of the file in order, so that large ramdisks are
 * not copied. The same contents give the same bytes.
 * @throws HalError "input" for contents that the format cannot hold
 */
export function writeEif({ kernel, cmdline, ramdisks, metadata, arm64, signature }: EifContents): readonly Uint8Array[] {
  if (ramdisks.length === 0) throw new HalError("input", "EIF: it needs a ramdisk");
  if (!Number.isInteger(metadata.buildTime) || metadata.buildTime < 0 || metadata.buildTime > latestTime) {
    throw new HalError("input", `EIF: SOURCE_DATE_EPOCH ${metadata.buildTime} is not a time before the year 10000`);
  }
  const sections: readonly { readonly type: EifSectionType; readonly data: Uint8Array }[] = [
    { type: "kernel", data: kernel },
    { type: "cmdline", data: cmdlineBytes(cmdline) },
    { type: "metadata", data: Buffer.from(metadataJson(metadata), "utf8") },
    ...ramdisks.map((data) => ({ type: "ramdisk" as const, data })),
    ...(signature === undefined ? [] : [{ type: "signature" as const, data: signature }]),
  ];
  if (sections.length > eifLayout.maxSections)
    throw new HalError("input", `EIF: ${sections.length} sections; at most ${eifLayout.maxSections} are allowed`);

  const header = Buffer.alloc(eifLayout.headerSize);
  header.write(eifLayout.magic, "latin1");
  header.writeUInt16BE(eifLayout.version, 4);
  header.writeUInt16BE(arm64 ? eifLayout.arm64 : 0, eifLayout.flags);
  header.writeBigUInt64BE(defaults.memory, eifLayout.memory);
  header.writeBigUInt64BE(defaults.cpus, eifLayout.cpus);
  header.writeUInt16BE(sections.length, eifLayout.sectionCount);
  const body: Uint8Array[] = [];
  let offset: number = eifLayout.headerSize;
  for (const [index, { type, data }] of sections.entries()) {
    header.writeBigUInt64BE(BigInt(offset), eifLayout.offsets + index * 8);
    header.writeBigUInt64BE(BigInt(data.length), eifLayout.sizes + index * 8);
    const sectionHeader = Buffer.alloc(eifLayout.sectionHeaderSize);
    sectionHeader.writeUInt16BE(sectionTypes[type], 0);
    sectionHeader.writeBigUInt64BE(BigInt(data.length), 4);
    body.push(sectionHeader, data);
    offset += sectionHeader.length + data.length;
  }
  const crc = body.reduce((value, part) => crc32(part, value), crc32(header.subarray(0, eifLayout.crc)));
  header.writeUInt32BE(crc, eifLayout.crc);
  return [header, ...body];
}

/** The metadata section's JSON, in the field order of aws-nitro-enclaves-image-format's EifIdentityInfo. */
function metadataJson(metadata: EifMetadata): string {
  return JSON.stringify({
    ImageName: metadata.imageName,
    ImageVersion: metadata.imageVersion,
    BuildMetadata: {
      BuildTime: new Date(metadata.buildTime * 1000).toISOString().replace(/\.\d+Z$/, "+00:00"),
      BuildTool: metadata.buildTool,
      BuildToolVersion: metadata.buildToolVersion,
      OperatingSystem: metadata.operatingSystem,
      KernelVersion: metadata.kernelVersion,
    },
    DockerInfo: {},
    CustomMetadata: null,
  });
}
