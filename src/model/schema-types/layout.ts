// Generated from schema/ by `npm run generate`. Do not edit.

/** A layout describes the root filesystem, the encrypted partitions and the tmpfs mounts of an image. */
export interface Layout {
  /** The version of the file format. */
  apiVersion: "hal/v1";
  /** The kind of the file. */
  kind: "Layout";
  /** The name: lower-case letters, digits and dashes. The file has the same name. */
  name: string;
  /** One line for `hal list`. */
  description: string;
  /** The root filesystem. */
  root: {
    /** `verity`: a read-only ext4 partition with dm-verity. `ram`: the initramfs is the root filesystem; there is no disk. */
    type: "verity" | "ram";
    /** The size of the ext4 filesystem with `verity`. The image file is sparse. */
    size: string;
  };
  /** The compression of the initramfs. */
  compression: "gzip" | "zstd";
  /** The encrypted read-write partition (LUKS2). The guest makes a new key at each boot and keeps it only in RAM. */
  rw?: {
    /** The size of the partition. */
    size: string;
    /** Authenticated encryption with dm-integrity. If the host changes a block, reading it is an I/O error. */
    integrity: "none" | "hmac-sha256";
    /** The mount point. */
    mount: string;
    /** Allow running programs from this partition. A host can put back old sectors of the same boot, so such a program is not verified. */
    exec: boolean;
    /** Directories that are stored on this partition. Each starts as a copy of the directory in the verified root. */
    binds: string[];
  };
  /** The encrypted swap partition: dm-crypt with a new random key at each boot. */
  swap?: {
    /** The size of the partition. */
    size: string;
  };
  /** The tmpfs mounts. */
  tmpfs: {
    /** The mount point. */
    path: string;
    /** The maximum size: a percentage of the RAM (`50%`) or a size (`64M`). */
    size: string;
    /** The file mode, octal and in quotes: "0644". */
    mode: string;
    /** Allow running programs from this mount. The execution area needs it. */
    exec: boolean;
    /** Never swap this mount out (Linux 6.4 and later). */
    noswap: boolean;
  }[];
  /** Kernel parameters that the layout needs. */
  cmdline: string[];
}
