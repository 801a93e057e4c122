/** One member of a cpio archive. A directory has no content; a parent comes before its children. */
export interface Member {
  readonly path: string;
  /** Type and permission bits, as in stat(2): 0o040755, 0o100644. */
  readonly mode: number;
  readonly content?: Uint8Array;
}

/**
 * An uncompressed archive in the "newc" format (Linux Documentation/driver-api/early-userspace/buffer-format.rst):
 * a header of 6 + 13 × 8 hexadecimal characters, the name, the content, each padded to 4 bytes. Time 0, owner root.
 */
export function newc(members: readonly Member[]): Buffer {
  const all = [...members, { path: "TRAILER!!!", mode: 0 }];
  return Buffer.concat(all.flatMap((member, index) => entry(member, index + 1)));
}

function entry({ path, mode, content = new Uint8Array() }: Member, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`, "utf8");
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`, "latin1");
  return [padded([header, name]), padded([content])];
}

function padded(parts: readonly Uint8Array[]): Buffer {
  const joined = Buffer.concat(parts);
  return Buffer.concat([joined, Buffer.alloc((4 - (joined.length % 4)) % 4)]);
}
