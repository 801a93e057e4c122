import { HalError } from "./errors.js";

/** A file in memory, with its name for errors. */
export interface NamedBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads integers and ranges from a binary file and checks every access.
 * Each error names the file, the offset, the structure and the fault.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly file: string;
  /** Offset of `bytes[0]` in the file. Errors in a slice add it, so they report offsets in the file. */
  readonly base: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, file: string, base = 0) {
    this.bytes = bytes;
    this.file = file;
    this.base = base;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.byteLength;
  }

  /** The kind "input" error at an offset. `structure` is the name of the structure that was being read. */
  error(offset: number, structure: string, what: string): HalError {
    return new HalError("input", `${structure}: ${what}`, { at: { file: this.file, offset: this.base + Math.max(0, offset) } });
  }

  #check(offset: number, size: number, structure: string): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || size < 0 || offset + size > this.length) {
      throw this.error(offset, structure, `needs ${size} bytes but the file has ${this.base + this.length}`);
    }
  }

  u8(offset: number, structure: string): number {
    this.#check(offset, 1, structure);
    return this.#view.getUint8(offset);
  }

  /** Little-endian unless `big`. */
  u16(offset: number, structure: string, big = false): number {
    this.#check(offset, 2, structure);
    return this.#view.getUint16(offset, !big);
  }

  u32(offset: number, structure: string, big = false): number {
    this.#check(offset, 4, structure);
    return this.#view.getUint32(offset, !big);
  }

  u64(offset: number, structure: string, big = false): bigint {
    this.#check(offset, 8, structure);
    return this.#view.getBigUint64(offset, !big);
  }

  /** A view (no copy) of `size` bytes. */
  slice(offset: number, size: number, structure: string): Uint8Array {
    this.#check(offset, size, structure);
    return this.bytes.subarray(offset, offset + size);
  }

  /** A reader over a part of this one; its errors keep the file's own offsets. */
  sub(offset: number, size: number, structure: string): ByteReader {
    return new ByteReader(this.slice(offset, size, structure), this.file, this.base + offset);
  }
}
