import { constants } from "node:fs";
import { type FileHandle, lstat, open, stat } from "node:fs/promises";
import { HalError } from "./errors.js";

export interface RegularFile {
  readonly handle: FileHandle;
  /** Bytes. */
  readonly size: number;
  /** Allocated blocks of 512 bytes. */
  readonly blocks: number;
  /** Permission bits and the owner's user ID. */
  readonly mode: number;
  readonly uid: number;
}

export interface OpenOptions {
  /** False refuses a symbolic link. The directories of the path can be links in any case. */
  readonly follow?: boolean;
  /** Bytes. A larger file is refused before anything is read. */
  readonly most?: number;
}

interface Type {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  isFIFO(): boolean;
  isSocket(): boolean;
}

/** What an entry of a directory is, for a message: `is a symbolic link`; undefined for a regular file. */
export function otherType(entry: Type): string | undefined {
  if (entry.isFile()) return undefined;
  if (entry.isDirectory()) return "is a directory";
  if (entry.isSymbolicLink()) return "is a symbolic link";
  if (entry.isFIFO()) return "is a pipe";
  return entry.isSocket() ? "is a socket" : "is a device";
}

/**
 * Opens a regular file for reading. Refuses every other type at once: opening a pipe can wait forever, opening a device can have effects,
 * and both report a size of 0, so their digest would be that of an empty file.
 * @throws HalError "input" for another type of file, a file that is too large, or a file that cannot be opened
 */
export async function openRegular(path: string, { follow = true, most }: OpenOptions = {}): Promise<RegularFile> {
  const refuse = (why: string): never => {
    throw new HalError("input", why, {
      at: { file: path },
      ...(follow ? {} : { remedy: "an image directory contains only regular files" }),
    });
  };
  const failed = (error: NodeJS.ErrnoException): never =>
    refuse(error.code === "ENOENT" || error.code === "ENOTDIR" ? "does not exist" : `cannot be read: ${error.code}`);
  // The type is checked before the open, which must not touch a device, and again on what is open.
  const before = otherType(await (follow ? stat(path) : lstat(path)).catch(failed));
  if (before !== undefined) refuse(before);
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW)).catch(failed);
  try {
    const stats = await handle.stat();
    const after = otherType(stats);
    if (after !== undefined) refuse(after);
    if (most !== undefined && stats.size > most) refuse(`has more than ${most} bytes, which is too large for such a file`);
    const { size, blocks, mode, uid } = stats;
    return { handle, size, blocks, mode: mode & 0o7777, uid };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads an open regular file to its end, at most `size` bytes. */
async function readOpen({ handle, size }: RegularFile): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let length = 0;
  for (let got = -1; got !== 0 && length < size; length += got)
    ({ bytesRead: got } = await handle.read(bytes, length, size - length, length));
  return bytes.subarray(0, length);
}

/**
 * Reads a regular file.
 * @throws HalError "input" as `openRegular`
 */
export async function readRegular(path: string, options: OpenOptions & { readonly most: number }): Promise<Buffer> {
  const file = await openRegular(path, options);
  try {
    return await readOpen(file);
  } finally {
    await file.handle.close();
  }
}

/** Bytes; far more than a key in PEM has. */
const MOST_KEY_BYTES = 64 * 1024;

/**
 * Reads a file with a private key. Whoever can replace a signing key can sign in the name of its owner, so nobody else may write the file.
 * @throws HalError "input" as `openRegular`, for a file that its group or others can write, and for a file of another user
 */
export async function readKeyFile(path: string): Promise<string> {
  const file = await openRegular(path, { most: MOST_KEY_BYTES });
  try {
    const caller = process.geteuid?.();
    if ((file.mode & 0o022) !== 0)
      throw new HalError("input", "a signing key that other users can write", { at: { file: path }, remedy: `run: chmod go-w ${path}` });
    if (file.uid !== caller && file.uid !== 0)
      throw new HalError("input", "a signing key that belongs to another user", {
        at: { file: path },
        remedy: "copy it to a file of your own",
      });
    return (await readOpen(file)).toString("utf8");
  } finally {
    await file.handle.close();
  }
}
