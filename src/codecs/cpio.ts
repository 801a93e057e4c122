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
  /** Equal for all names of one file that has several; undefined for a file with one name. */
  readonly links: string | undefined;
  readonly bytes: Uint8Array;
}

/** The path of the entry that ends an archive. */
export const trailerPath = "TRAILER!!!";

const headerSize = 110;
/** Positions in the header's list of 13 hexadecimal numbers. */
const fields = { inode: 0, mode: 1, links: 4, contentSize: 6, deviceMajor: 7, deviceMinor: 8, nameSize: 11 } as const;
/** Bits of a mode (inode(7)). */
const [typeBits, directoryType] = [0o170000, 0o040000];

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

/**
 * The entries of an archive in the format "newc", the trailer included. Each path occurs once, and its parent is a directory that comes
 * before it. So the entries give the same tree in every such order, and none goes through a link. Only zeros follow the trailer, because
 * Linux unpacks a second archive there.
 * @throws HalError "input" for any other archive
 */
export function* readNewc(archive: Uint8Array, file: string): Generator<ArchiveEntry> {
  const reader = new ByteReader(archive, file);
  const tree = new Tree();
  let offset = 0;
  for (let path = ""; path !== trailerPath; ) {
    const header = Buffer.from(reader.slice(offset, headerSize, "cpio header")).toString("latin1");
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) throw reader.error(offset, "cpio header", "is not of the newc format");
    const field = (name: keyof typeof fields): number => {
      const start = 6 + 8 * fields[name];
      return Number.parseInt(header.slice(start, start + 8), 16);
    };
    const nameSize = field("nameSize");
    const name = Buffer.from(reader.slice(offset + headerSize, nameSize, "cpio name"));
    path = name.toString("utf8").replace(/\0$/, "");
    const isDirectory = (field("mode") & typeBits) === directoryType;
    const why = path === trailerPath ? undefined : tree.add(name.toString("latin1"), isDirectory);
    if (why !== undefined) throw reader.error(offset + headerSize, "cpio name", why);
    const end = aligned(aligned(offset + headerSize + nameSize) + field("contentSize"));
    const links = isDirectory || field("links") < 2 ? undefined : [field("deviceMajor"), field("deviceMinor"), field("inode")].join();
    yield { path, links, bytes: reader.slice(offset, Math.min(end, reader.length) - offset, "cpio entry") };
    offset = end;
  }
  const rest = archive.subarray(offset);
  const more = rest.findIndex((byte) => byte !== 0);
  if (more >= 0) throw reader.error(offset + more, "cpio archive", "contains bytes after its end");
}

/** The paths of an archive. */
class Tree {
  readonly #all = new Set<string>();
  readonly #directories = new Set<string>();

  /** Adds a name with its NUL. Returns why the archive must not contain it; undefined if it may. */
  add(name: string, isDirectory: boolean): string | undefined {
    const path = /^(?:\.\/)?([^\0]+)\0$/.exec(name)?.[1];
    if (path === undefined || (path !== "." && path.split("/").some((part) => ["", ".", ".."].includes(part))))
      return "is not a plain path";
    if (this.#all.has(path)) return "occurs twice";
    const parent = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
    if (parent !== "." && !this.#directories.has(parent)) return "is not in a directory that comes before it";
    this.#all.add(path);
    if (isDirectory) this.#directories.add(path);
    return undefined;
  }
}
