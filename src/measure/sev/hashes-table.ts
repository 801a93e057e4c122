import { hash } from "node:crypto";
import { cmdlineBytesWithNul } from "../../codecs/cmdline.js";
import { guidBytes } from "../../lib/guid.js";

/** SHA-256 of the files and the command line that direct kernel boot passes to the firmware. */
export interface KernelHashes {
  /** of the kernel file: QEMU does not change the setup header for SEV guests */
  readonly kernel: Uint8Array;
  /** of the initrd; without one, of an empty file */
  readonly initrd: Uint8Array;
  /** of the command line with its final NUL */
  readonly cmdline: Uint8Array;
}

const tableGuid = "9438d606-4f22-4cc9-b479-a793d411fd21";
const entryGuids = {
  cmdline: "97d02dd8-bd20-4c94-aa78-e7714d36ab2a",
  initrd: "44baf731-3a2f-4bd7-9af1-41e29169781d",
  kernel: "4de79437-abd2-427f-b835-d5b172d2045b",
} as const;
/** The order of the entries in the table. */
const entryOrder = ["cmdline", "initrd", "kernel"] as const;

const headerSize = 18;
const entrySize = headerSize + 32;
const tableSize = headerSize + entryOrder.length * entrySize;
/** LAUNCH_UPDATE_DATA requires a multiple of 16 bytes. */
export const hashesTableSize = Math.ceil(tableSize / 16) * 16;

/** Hashes kernel, initrd and command line. */
export function hashKernel(boot: { readonly kernel: Uint8Array; readonly initrd?: Uint8Array; readonly cmdline: string }): KernelHashes {
  return {
    kernel: hash("sha256", boot.kernel, "buffer"),
    initrd: hash("sha256", boot.initrd ?? new Uint8Array(), "buffer"),
    cmdline: hash("sha256", cmdlineBytesWithNul(boot.cmdline), "buffer"),
  };
}

/**
 * The table of hashes that QEMU writes into guest memory for direct kernel boot with `kernel-hashes=on`, 176 bytes with its padding
 * (QEMU target/i386/sev.c, PaddedSevHashTable; read by edk2 OvmfPkg/AmdSev/BlobVerifierLibSevHashes).
 */
export function hashesTable(hashes: KernelHashes): Uint8Array {
  const table = Buffer.alloc(hashesTableSize);
  guidBytes(tableGuid).copy(table, 0);
  table.writeUInt16LE(tableSize, 16);
  entryOrder.forEach((name, index) => {
    const start = headerSize + index * entrySize;
    guidBytes(entryGuids[name]).copy(table, start);
    table.writeUInt16LE(entrySize, start + 16);
    table.set(hashes[name], start + headerSize);
  });
  return table;
}
