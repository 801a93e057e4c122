import { crc32, inflateRawSync, type Zlib } from "node:zlib";
import { ByteReader } from "../lib/bytes.js";

const structure = "gzip";
/** ID1, ID2, CM for deflate, and FLG without an optional field. */
const magic = Buffer.from([0x1f, 0x8b, 8, 0]);
const headerSize = 10;
/** CRC32 and ISIZE. */
const trailerSize = 8;

/**
 * Unpacks a gzip file of one member without optional header fields (RFC 1952), as `gzip -n` writes it. Readers treat other files
 * differently: after a member, Linux skips zeros and then unpacks what follows (init/initramfs.c), and Node.js ignores it.
 * @param most bytes
 * @throws HalError "input" for any other file; an error with the code ERR_BUFFER_TOO_LARGE for more than `most` bytes
 */
export function gunzipWhole(packed: Uint8Array, file: string, most: number): Buffer {
  const reader = new ByteReader(packed, file);
  if (!magic.equals(reader.slice(0, magic.length, structure)))
    throw reader.error(0, structure, "is not compressed with gzip, or has an optional header field");
  const { buffer, used } = inflate(reader.slice(headerSize, packed.length - headerSize, structure), reader, most);
  const trailer = headerSize + used;
  if (reader.u32(trailer, structure) !== crc32(buffer) || reader.u32(trailer + 4, structure) !== buffer.length % 2 ** 32)
    throw reader.error(trailer, structure, "its checksum or size is wrong");
  const end = trailer + trailerSize;
  if (end !== packed.length) throw reader.error(end, structure, `${packed.length - end} bytes follow its end`);
  return buffer;
}

function inflate(deflated: Uint8Array, reader: ByteReader, most: number): { readonly buffer: Buffer; readonly used: number } {
  try {
    // With `info`, the result contains the engine, which counts the bytes that it used. The types lack it.
    const result = inflateRawSync(deflated, { maxOutputLength: most, info: true }) as unknown as { buffer: Buffer; engine: Zlib };
    return { buffer: result.buffer, used: result.engine.bytesWritten };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!code.startsWith("Z_")) throw error;
    throw reader.error(headerSize, structure, `cannot be unpacked: ${code}`);
  }
}
