import { type DecodeOptions, decode } from "cbor2";
import type { ByteReader } from "../lib/bytes.js";

/** The values of CBOR (RFC 8949) that EIF signatures contain. */
export type Cbor = number | string | Uint8Array | readonly Cbor[] | ReadonlyMap<string | number, Cbor>;

/** Accept one encoding of each value, so that two readers of a file cannot disagree. */
const strict: DecodeOptions = {
  ignoreGlobalTags: true,
  maxDepth: 8,
  preferMap: true,
  rejectBigInts: true,
  rejectDuplicateKeys: true,
  rejectFloats: true,
  rejectSimple: true,
  rejectStreaming: true,
  rejectUndefined: true,
  requirePreferred: true,
};

/**
 * Decodes one value that fills the reader. Accepts integers, byte and text strings, arrays, and maps with text or integer keys, all of
 * definite length and in the shortest form. Throws a kind "input" error at the start of the reader for anything else.
 */
export function decodeCbor(reader: ByteReader): Cbor {
  const { buffer, byteOffset, length } = reader.bytes;
  let value: unknown;
  try {
    // A plain Uint8Array: cbor2 returns parts of it, and would encode a part of a Buffer as JSON.
    value = decode(new Uint8Array(buffer, byteOffset, length), strict);
  } catch (error) {
    throw reader.error(0, "CBOR", `cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isCbor(value)) return value;
  throw reader.error(0, "CBOR", "contains a value that is not an integer, string, array or map");
}

function isCbor(value: unknown): value is Cbor {
  if (Array.isArray(value)) return value.every(isCbor);
  if (value instanceof Map)
    return [...value].every(([key, entry]) => (typeof key === "string" || typeof key === "number") && isCbor(entry));
  return typeof value === "number" || typeof value === "string" || value instanceof Uint8Array;
}
