/** Directory in which systemd-stub leaves what it passes to the initrd. */
const directory = ".extra";
const directoryMode = 0o40555;
const fileMode = 0o100444;

/** A cpio archive in the form `newc` of one file in /.extra, byte for byte as systemd-stub makes it (systemd src/boot/cpio.c; Linux Documentation/driver-api/early-userspace/buffer-format.rst). */
export function cpioArchive(name: string, contents: Uint8Array): Uint8Array {
  return Buffer.concat([
    entry({ inode: 1, mode: directoryMode, path: directory, contents: new Uint8Array() }),
    entry({ inode: 2, mode: fileMode, path: `${directory}/${name}`, contents }),
    // The stub's trailer is a constant with an upper-case digit in it.
    Buffer.from(`070701${"00000000".repeat(4)}00000001${"00000000".repeat(6)}0000000B00000000TRAILER!!!\0\0\0\0`, "latin1"),
  ]);
}

function entry(of: { readonly inode: number; readonly mode: number; readonly path: string; readonly contents: Uint8Array }): Uint8Array {
  const fields = [of.inode, of.mode, 0, 0, 1, 0, of.contents.length, 0, 0, 0, 0, of.path.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${of.path}\0`;
  return Buffer.concat([align(Buffer.from(header, "latin1")), align(of.contents)]);
}

function align(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes], Math.ceil(bytes.length / 4) * 4);
}
