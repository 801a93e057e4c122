/** One section for an image. */
export interface BuiltSection {
  readonly name: string;
  readonly data: Uint8Array;
  /** Default: the size of the data. */
  readonly virtualSize?: number;
}

const headersSize = 1024;
export const peOffset = 0x40;
export const optionalOffset = peOffset + 24;
export const tableOffset = optionalOffset + 240;

/** A PE32+ image for x86-64: headers of 1024 bytes, sections aligned to 16 bytes in the file and 4096 in memory, certificates at the end. */
export function buildPe(
  sections: readonly BuiltSection[],
  certificates: Uint8Array = new Uint8Array(),
  trailing: Uint8Array = new Uint8Array(),
): Buffer {
  const headers = Buffer.alloc(headersSize);
  headers.write("MZ");
  headers.writeUInt32LE(peOffset, 0x3c);
  headers.write("PE\0\0", peOffset);
  headers.writeUInt16LE(0x8664, peOffset + 4);
  headers.writeUInt16LE(sections.length, peOffset + 6);
  headers.writeUInt16LE(240, peOffset + 20);
  headers.writeUInt16LE(0x20b, optionalOffset);
  headers.writeUInt32LE(headersSize, optionalOffset + 60);
  headers.writeUInt32LE(0x12345678, optionalOffset + 64);
  headers.writeUInt32LE(16, optionalOffset + 108);
  const parts: Buffer[] = [headers];
  let offset = headersSize;
  let address = 0x1000;
  for (const [index, { name, data, virtualSize }] of sections.entries()) {
    const padded = Buffer.concat([data], Math.ceil(data.length / 16) * 16);
    const at = tableOffset + index * 40;
    headers.write(name, at, "latin1");
    headers.writeUInt32LE(virtualSize ?? data.length, at + 8);
    headers.writeUInt32LE(address, at + 12);
    headers.writeUInt32LE(padded.length, at + 16);
    headers.writeUInt32LE(offset, at + 20);
    parts.push(padded);
    offset += padded.length;
    address += Math.ceil(Math.max(padded.length, virtualSize ?? 0, 1) / 0x1000) * 0x1000;
  }
  if (certificates.length > 0) {
    headers.writeUInt32LE(offset + trailing.length, optionalOffset + 112 + 32);
    headers.writeUInt32LE(certificates.length, optionalOffset + 112 + 36);
  }
  return Buffer.concat([...parts, trailing, certificates]);
}

/** A PE image with the setup header of a bzImage, which states the Linux release (Linux Documentation/arch/x86/boot.rst). */
export function buildLinux(release: string): Buffer {
  const image = buildPe([{ name: ".text", data: Buffer.alloc(4096) }]);
  image.write("HdrS", 0x202);
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt16LE(0x800, 0x20e);
  image.writeUInt8(1, 0x211);
  image.write(`${release}\0`, 0xa00, "latin1");
  return image;
}
