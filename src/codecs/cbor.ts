import type { ByteReader } from "../lib/bytes.js";

/**
 * The part of CBOR (RFC 8949) that EIF signatures use: unsigned and negative integers, byte and text strings, arrays, and maps with text or
 * integer keys, all in their shortest form and of definite length.
 */
export type Cbor = number | string | Uint8Array | readonly Cbor[] | ReadonlyMap<string | number, Cbor>;

const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5 } as const;
const maxDepth = 8;
/** Arguments that follow the first byte, by its low five bits; `least` is the smallest that needs the form. */
const longForms: Readonly<
  Record<number, { readonly size: number; readonly least: number; readonly read: (reader: ByteReader, offset: number) => number }>
> = {
  24: { size: 1, least: 24, read: (reader, offset) => reader.u8(offset, "CBOR") },
  25: { size: 2, least: 0x100, read: (reader, offset) => reader.u16(offset, "CBOR", true) },
  26: { size: 4, least: 0x10000, read: (reader, offset) => reader.u32(offset, "CBOR", true) },
};

/** Encodes a value; map entries keep their order. */
export function encodeCbor(value: Cbor): Uint8Array {
  if (typeof value === "number") return value < 0 ? head(major.negative, -1 - value) : head(major.unsigned, value);
  if (typeof value === "string") {
    const text = Buffer.from(value, "utf8");
    return Buffer.concat([head(major.text, text.length), text]);
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(major.bytes, value.length), value]);
  if (value instanceof Map)
    return Buffer.concat([head(major.map, value.size), ...[...value].flatMap(([key, entry]) => [encodeCbor(key), encodeCbor(entry)])]);
  const items = value as readonly Cbor[];
  return Buffer.concat([head(major.array, items.length), ...items.map(encodeCbor)]);
}

function head(type: number, argument: number): Uint8Array {
  if (argument < 24) return Uint8Array.of((type << 5) | argument);
  const size = argument < 0x100 ? 1 : argument < 0x10000 ? 2 : 4;
  const bytes = Buffer.alloc(1 + size);
  bytes.writeUInt8((type << 5) | (24 + Math.log2(size)));
  bytes.writeUIntBE(argument, 1, size);
  return bytes;
}

/** Decodes exactly one value that fills the reader; a kind "input" error at the offset of anything outside the subset above. */
export function decodeCbor(reader: ByteReader): Cbor {
  const { value, end } = decodeItem(reader, 0, 0);
  if (end !== reader.length) throw reader.error(end, "CBOR", `${reader.length - end} bytes follow the value`);
  return value;
}

interface Decoded {
  readonly value: Cbor;
  readonly end: number;
}

function decodeItem(reader: ByteReader, offset: number, depth: number): Decoded {
  if (depth > maxDepth) throw reader.error(offset, "CBOR", `nested deeper than ${maxDepth} levels`);
  const { type, argument, end } = decodeHead(reader, offset);
  if (type === major.unsigned) return { value: argument, end };
  if (type === major.negative) return { value: -1 - argument, end };
  if (type === major.array || type === major.map) return decodeItems(reader, offset, { type, argument, end }, depth);
  const bytes = reader.slice(end, argument, "CBOR string");
  if (type === major.bytes) return { value: bytes, end: end + argument };
  const text = Buffer.from(bytes).toString("utf8");
  if (!Buffer.from(text, "utf8").equals(bytes)) throw reader.error(offset, "CBOR text", "is not UTF-8");
  return { value: text, end: end + argument };
}

function decodeItems(
  reader: ByteReader,
  offset: number,
  of: { readonly type: number; readonly argument: number; readonly end: number },
  depth: number,
): Decoded {
  const count = of.type === major.map ? of.argument * 2 : of.argument;
  // Each item takes a byte at least: a count that cannot be right is refused before anything is collected.
  reader.slice(of.end, count, "CBOR array or map");
  const items: Cbor[] = [];
  let { end } = of;
  for (let index = 0; index < count; index++) {
    const item = decodeItem(reader, end, depth + 1);
    items.push(item.value);
    end = item.end;
  }
  if (of.type === major.array) return { value: items, end };
  const map = new Map<string | number, Cbor>();
  for (let index = 0; index < items.length; index += 2) {
    const key = items[index];
    const value = items[index + 1];
    if ((typeof key !== "string" && typeof key !== "number") || value === undefined)
      throw reader.error(offset, "CBOR map", "a key is neither text nor integer");
    if (map.has(key)) throw reader.error(offset, "CBOR map", `the key ${key} appears twice`);
    map.set(key, value);
  }
  return { value: map, end };
}

function decodeHead(reader: ByteReader, offset: number): { readonly type: number; readonly argument: number; readonly end: number } {
  const first = reader.u8(offset, "CBOR");
  const type = first >> 5;
  const short = first & 31;
  if (type > major.map) throw reader.error(offset, "CBOR", `type ${type} is not expected here`);
  if (short < 24) return { type, argument: short, end: offset + 1 };
  const long = longForms[short];
  if (long === undefined) throw reader.error(offset, "CBOR", "lengths of 64 bits and indefinite lengths are not expected here");
  const argument = long.read(reader, offset + 1);
  if (argument < long.least) throw reader.error(offset, "CBOR", "a length is not in its shortest form");
  return { type, argument, end: offset + 1 + long.size };
}
