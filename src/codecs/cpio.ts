import { ByteReader } from "../lib/bytes.js";

/** A file or directory of a cpio archive. Directories have no content and precede their children. */
export interface Member {
  readonly path: string;
  /** Type and permission bits of stat(2): 0o040755, 0o100644. */
  readonly mode: number;
  readonly content?: Uint8Array;
}

/** One entry of an archive, byte for byte: header, name, content and padding. */
export interface ArchiveEntry {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The path of the entry that ends an archive. */
export const trailerPath = "TRAILER!!!";

const headerSize = 110;
/** Positions in the header's list of 13 hexadecimal numbers. */
const fields = { contentSize: 6, nameSize: 11 } as const;

/**
 * An archive in the format "newc" (Linux Documentation/driver-api/early-userspace/buffer-format.rst), uncompressed. Each entry is a header
 * of 6 + 13 × 8 hexadecimal characters, the name and the content, each padded to 4 bytes. Times are 0, the owner is root.
 * @param trailer the last entry; only systemd-stub writes a different one
 */
export function newc(members: readonly Member[], trailer = entry({ path: trailerPath, mode: 0 }, members.length + 1)): Buffer {
  return Buffer.concat([...members.map((member, index) => entry(member, index + 1)), trailer]);
}

function entry({ path, mode, content = new Uint8Array() }: Member, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`, "utf8");
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, "0")).join("")}`, "latin1");
  return Buffer.concat([padded(Buffer.concat([header, name])), padded(content)]);
}

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes], aligned(bytes.length));
}

/** Rounds up to a multiple of 4. A ramdisk may exceed 2 GiB, so this uses no bit operations. */
function aligned(size: number): number {
  return Math.ceil(size / 4) * 4;
}

/** The entries of an archive in the format "newc", the trailer included. Throws a kind "input" error for another format or an early end. */
export function* readNewc(archive: Uint8Array, file: string): Generator<ArchiveEntry> {
  const reader = new ByteReader(archive, file);
  for (let offset = 0, path = ""; path !== trailerPath; ) {
    const header = Buffer.from(reader.slice(offset, headerSize, "cpio header")).toString("latin1");
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) throw reader.error(offset, "cpio header", "is not of the newc format");
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const nameSize = field(fields.nameSize);
    path = Buffer.from(reader.slice(offset + headerSize, nameSize, "cpio name"))
      .toString("utf8")
      .replace(/\0+$/, "");
    const end = aligned(aligned(offset + headerSize + nameSize) + field(fields.contentSize));
    yield { path, bytes: reader.slice(offset, Math.min(end, reader.length) - offset, "cpio entry") };
    offset = end;
  }
}
