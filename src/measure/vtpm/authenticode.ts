import type { PeImage } from "../../codecs/pe.js";
import { type BankDigests, digestsOf } from "../../lib/banks.js";

/**
 * The Authenticode digests of an image in every bank, which firmware measures into PCR 4 (Windows Authenticode Portable Executable
 * Signature Format, "Calculating the PE Image Hash"; TCG PC Client PFP 3.3.4.5; edk2 MeasurePeImageAndExtend). They cover the headers
 * without CheckSum and without the directory entry of the certificate table, the sections by file offset, and the bytes after them up to
 * the certificates.
 */
export function authenticode(image: PeImage): BankDigests {
  return digestsOf(...authenticodeParts(image));
}

function authenticodeParts({ reader, checksum, securityEntry, sizeOfHeaders, sections, certificateSize }: PeImage): Uint8Array[] {
  const range = (start: number, end: number) => reader.slice(start, end - start, "image");
  const headers =
    securityEntry === undefined
      ? [range(0, checksum), range(checksum + 4, sizeOfHeaders)]
      : [range(0, checksum), range(checksum + 4, securityEntry), range(securityEntry + 8, sizeOfHeaders)];
  const data = sections.filter(({ size }) => size > 0).sort((a, b) => a.offset - b.offset);
  // The algorithm counts the hashed bytes. With a gap between sections, this is not the end of the last section.
  const hashed = data.reduce((sum, { size }) => sum + size, sizeOfHeaders);
  return [...headers, ...data.map(({ offset, size }) => range(offset, offset + size)), range(hashed, reader.length - certificateSize)];
}
