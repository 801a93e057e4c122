import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import canonicalize from "canonicalize";
import { HalError } from "./errors.js";

/** SHA-256 of bytes or text, lower-case hex. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

const CHUNK_BYTES = 4 * 1024 * 1024;
const BLOCK_BYTES = 4096;

/** A file that is open, with its size and the room that it takes; undefined for a pipe, which tells neither. */
export interface OpenedFile {
  readonly handle: FileHandle;
  /** Bytes, and blocks of 512 bytes. */
  readonly stats: { readonly size: number; readonly blocks: number } | undefined;
}

/**
 * Opens a file or a pipe to read all of it. A kind "input" error for anything else: a device says that it has no bytes, and a digest of
 * nothing would be taken for that of its contents.
 */
export async function openWhole(path: string): Promise<OpenedFile> {
  const handle = await open(path);
  try {
    const stats = await handle.stat();
    if (!stats.isFile() && !stats.isFIFO())
      throw new HalError("input", stats.isDirectory() ? "is a directory" : "is neither a file nor a pipe", { at: { file: path } });
    return { handle, stats: stats.isFile() ? stats : undefined };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * SHA-256 of a file of any size, or of what comes out of a pipe, lower-case hex. The next chunk is read while one is hashed, and holes are not
 * read at all: a disk image is mostly holes, and the kernel would fill its page cache with their zeros.
 */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  const { handle: file, stats } = await openWhole(path);
  try {
    if (stats === undefined) {
      for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk as Buffer);
      return hash.digest("hex");
    }
    const { size, blocks } = stats;
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

/** Where a sparse file has data, in order, from filefrag (e2fsprogs; FIEMAP); undefined where that cannot be known. */
async function dataRanges(path: string, size: number): Promise<{ start: number; end: number }[] | undefined> {
  const { findTool, runCommand } = await import("./tools.js"); // few who digest have a sparse file
  if ((await findTool("filefrag")) === undefined) return undefined;
  const { exitCode, stdout } = await runCommand({ tool: "filefrag", args: ["-e", `-b${BLOCK_BYTES}`, path] }, { allowFailure: true });
  if (exitCode !== 0 || !stdout.includes("logical_offset")) return undefined;
  const ranges = [...stdout.matchAll(/^\s*[0-9]+:\s*([0-9]+)\.\.\s*([0-9]+):/gm)].map(([, first, last]) => ({
    start: Math.min(Number(first) * BLOCK_BYTES, size),
    end: Math.min((Number(last) + 1) * BLOCK_BYTES, size),
  }));
  const ordered = ranges.every(({ start, end }, index) => start <= end && start >= (ranges[index - 1]?.end ?? 0));
  return ordered ? ranges : undefined;
}

/** JSON whose bytes are a function of the value alone (RFC 8785), with a newline. */
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

/** Name, size and digest of a file. */
export async function digestFile(file: string, name: string): Promise<FileDigest> {
  const { size } = await stat(file);
  return { name, size, sha256: await sha256File(file) };
}
