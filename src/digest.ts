import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import canonicalize from "canonicalize";

/** SHA-256 of bytes or text, lower-case hex. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

const CHUNK_BYTES = 4 * 1024 * 1024;

/** SHA-256 of a file of any size, lower-case hex; the next chunk is read while one is hashed. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    let [full, free] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
    let { bytesRead } = await file.read(full, 0, CHUNK_BYTES, null);
    while (bytesRead > 0) {
      const next = file.read(free, 0, CHUNK_BYTES, null);
      hash.update(full.subarray(0, bytesRead));
      ({ bytesRead } = await next);
      [full, free] = [free, full];
    }
  } finally {
    await file.close();
  }
  return hash.digest("hex");
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
