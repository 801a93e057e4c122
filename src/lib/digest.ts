import { createHash, type Hash } from "node:crypto";
import { type FileHandle, stat } from "node:fs/promises";
import { resolve } from "node:path";
import canonicalize from "canonicalize";
import { type OpenOptions, openRegular } from "./regular-file.js";

/** SHA-256 of bytes or text, lower-case hex. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

const CHUNK_BYTES = 4 * 1024 * 1024;
const BLOCK_BYTES = 4096;

/**
 * SHA-256 of a regular file, lower-case hex. Reads the next chunk while it hashes one. Does not read holes: most of a disk image is a
 * hole, and reading it would fill the page cache with zeros.
 * @throws HalError "input" as `openRegular`
 */
export async function sha256File(path: string, options: OpenOptions = {}): Promise<string> {
  const hash = createHash("sha256");
  const { handle: file, size, blocks } = await openRegular(path, options);
  try {
    const sparse = size > CHUNK_BYTES && blocks * 512 < size / 2;
    let position = 0;
    for (const { start, end } of (sparse ? await dataRanges(path, size) : undefined) ?? [{ start: 0, end: size }]) {
      hashZeros(hash, start - position);
      await hashRange(hash, file, start, end);
      position = end;
    }
    hashZeros(hash, size - position);
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

async function hashRange(hash: Hash, file: FileHandle, start: number, end: number): Promise<void> {
  let [full, free] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  const read = (buffer: Buffer, position: number) => file.read(buffer, 0, Math.min(CHUNK_BYTES, end - position), position);
  let { bytesRead } = await read(full, start);
  for (let position = start; bytesRead > 0; ) {
    position += bytesRead;
    const next = position < end ? read(free, position) : Promise.resolve({ bytesRead: 0 });
    hash.update(full.subarray(0, bytesRead));
    ({ bytesRead } = await next);
    [full, free] = [free, full];
  }
}

function hashZeros(hash: Hash, bytes: number): void {
  const zeros = Buffer.alloc(Math.min(bytes, CHUNK_BYTES));
  for (let left = bytes; left > 0; left -= zeros.length) hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
}

/** The ranges of a sparse file with data, in order, from filefrag (e2fsprogs; FIEMAP); undefined when filefrag cannot list them. */
async function dataRanges(path: string, size: number): Promise<{ start: number; end: number }[] | undefined> {
  const { findTool, runCommand } = await import("./tools.js"); // imported late, because few callers read a sparse file
  if ((await findTool("filefrag")) === undefined) return undefined;
  const { exitCode, stdout } = await runCommand(
    { tool: "filefrag", args: ["-e", `-b${BLOCK_BYTES}`, resolve(path)] },
    { allowFailure: true },
  );
  if (exitCode !== 0 || !stdout.includes("logical_offset")) return undefined;
  const ranges = [...stdout.matchAll(/^\s*[0-9]+:\s*([0-9]+)\.\.\s*([0-9]+):/gm)].map(([, first, last]) => ({
    start: Math.min(Number(first) * BLOCK_BYTES, size),
    end: Math.min((Number(last) + 1) * BLOCK_BYTES, size),
  }));
  const ordered = ranges.every(({ start, end }, index) => start <= end && start >= (ranges[index - 1]?.end ?? 0));
  return ordered ? ranges : undefined;
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
}

/**
 * Name, size and digest of a file.
 * @param name the name in the result
 */
export async function digestFile(file: string, name: string): Promise<FileDigest> {
  const { size } = await stat(file);
  return { name, size, sha256: await sha256File(file) };
}
