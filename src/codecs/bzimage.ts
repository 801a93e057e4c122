import { ByteReader } from "../lib/bytes.js";
import { parseVersion, type Version } from "../lib/versions.js";

/** Offsets of the setup header's fields (Linux Documentation/arch/x86/boot.rst, "Details of Header Fields"). */
export const setupHeader = {
  videoMode: 0x1fa,
  magic: 0x202,
  protocol: 0x206,
  kernelVersion: 0x20e,
  loaderType: 0x210,
  loadFlags: 0x211,
  initrdAddress: 0x218,
  initrdSize: 0x21c,
  heapEnd: 0x224,
  cmdlineAddress: 0x228,
  highestInitrdAddress: 0x22c,
  xloadFlags: 0x236,
} as const;

const headerMagic = 0x53726448; // "HdrS"

/** Whether a file has a setup header. Throws a kind "input" error for a file that ends before it. */
export function hasSetupHeader(reader: ByteReader): boolean {
  return reader.u32(setupHeader.magic, "setup header") === headerMagic;
}

/**
 * The Linux release of a bzImage, from the text `6.12.107+deb13-cloud-amd64 (…) #1 …` in the file (boot.rst, kernel_version). Undefined for
 * a file without a setup header or with another text.
 */
export function linuxVersion(bytes: Uint8Array, file: string): Version | undefined {
  const reader = new ByteReader(bytes, file);
  if (bytes.length < setupHeader.kernelVersion + 2 || !hasSetupHeader(reader)) return undefined;
  const pointer = reader.u16(setupHeader.kernelVersion, "setup header");
  const text = Buffer.from(bytes.subarray(0x200 + pointer, 0x240 + pointer)).toString("latin1");
  const release = pointer === 0 ? undefined : /^\d{1,4}\.\d{1,3}(?=[.~+ -])/.exec(text)?.[0];
  return release === undefined ? undefined : parseVersion(release, "kernel version");
}
