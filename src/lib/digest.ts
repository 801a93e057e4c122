import { createHash, type Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import canonicalize from "canonicalize";
import { HalError } from "./errors.js";
import { type ByteRange, storedRanges } from "./holes.js";
import { type OpenOptions, openRegular } from "./regular-file.js";

/** SHA-256 of bytes or text, lower-case hex. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

const CHUNK_BYTES = 4 * 1024 * 1024;

export interface DigestOptions extends OpenOptions {
  /** An abort ends the work after the current chunk. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * SHA-256 of a regular file, lower-case hex. Reads the next chunk while it hashes one. Does not read holes: most of a disk image is a
 * hole, and reading it would fill the page cache with zeros.
 * @throws HalError "input" as `openRegular`
 */
export async function sha256File(path: string, { signal, ...options }: DigestOptions = {}): Promise<string> {
  const hash = createHash("sha256");
  const { handle: file, size, blocks } = await openRegular(path, options);
  try {
    const sparse = size > CHUNK_BYTES && blocks * 512 < size / 2;
    let position = 0;
    for (const { start, end } of (sparse ? await storedRanges(path, size, signal) : undefined) ?? [{ start: 0, end: size }]) {
      await hashZeros(hash, start - position, signal);
      await hashRange(hash, file, { start, end }, signal);
      position = end;
    }
    await hashZeros(hash, size - position, signal);
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/**
 * SHA-256 over some ranges of a file, one after the other, lower-case hex. The time depends on these ranges and on the stored bytes of the
 * file, not on its size.
 * @param data in ascending order, without overlap
 * @throws HalError "check" if a byte outside the ranges is not zero, or if a range is not inside the file
 */
export async function sha256Data(path: string, data: readonly ByteRange[], { signal, ...options }: DigestOptions = {}): Promise<string> {
  const hash = createHash("sha256");
  const { handle: file, size } = await openRegular(path, options);
  try {
    let position = 0;
    const gaps: ByteRange[] = [];
    for (const { start, end } of [...data, { start: size, end: size }]) {
      if (start < position || end < start || end > size)
        throw new HalError("check", "the ranges of its digest are not in order or not inside the file", { at: { file: path } });
      gaps.push({ start: position, end: start });
      position = end;
    }
    await requireZeros(file, path, gaps, (await storedRanges(path, size, signal)) ?? [{ start: 0, end: size }], signal);
    for (const range of data) await hashRange(hash, file, range, signal);
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

/** Reads the stored bytes of the gaps. All other bytes are holes, which are zeros. */
async function requireZeros(
  file: FileHandle,
  path: string,
  gaps: readonly ByteRange[],
  stored: readonly ByteRange[],
  signal?: AbortSignal,
): Promise<void> {
  const [buffer, zeros] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
  for (const gap of gaps) {
    for (const part of stored) {
      const end = Math.min(gap.end, part.end);
      for (let position = Math.max(gap.start, part.start); position < end; ) {
        signal?.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK_BYTES, end - position), position);
        if (bytesRead === 0) break;
        if (buffer.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0)
          throw new HalError("check", "contains bytes in a range that its digest does not cover", {
            at: { file: path, offset: position + buffer.findIndex((byte) => byte !== 0) },
          });
        position += bytesRead;
      }
    }
  }
}

async function hashRange(hash: Hash, file: FileHandle, { start, end }: ByteRange, signal?: AbortSignal): Promise<void> {
  let [full, free] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  const read = (buffer: Buffer, position: number) => file.read(buffer, 0, Math.min(CHUNK_BYTES, end - position), position);
  let { bytesRead } = await read(full, start);
  for (let position = start; bytesRead > 0; ) {
    signal?.throwIfAborted();
    position += bytesRead;
    const next = position < end ? read(free, position) : Promise.resolve({ bytesRead: 0 });
    hash.update(full.subarray(0, bytesRead));
    ({ bytesRead } = await next);
    [full, free] = [free, full];
  }
}

async function hashZeros(hash: Hash, bytes: number, signal?: AbortSignal): Promise<void> {
  const zeros = Buffer.alloc(Math.min(bytes, CHUNK_BYTES));
  for (let left = bytes; left > 0; left -= zeros.length) {
    hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
    await nextTurn(); // without it, hal does not see the signal until the end of the hole
    signal?.throwIfAborted();
  }
}

/** Canonical JSON (RFC 8785) with a newline at the end: equal values give equal bytes. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("not a JSON value");
  return `${text}\n`;
}

export interface FileDigest {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  /** The ranges that `sha256` covers, if it does not cover the whole file: offset and length in bytes. All other bytes are zero. */
  readonly data?: number[][];
}
