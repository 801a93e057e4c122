// Generated from schema/ by `npm run generate`. Do not edit.

/** Where the bytes of an image live: root filesystem, encrypted partitions, tmpfs areas. */
export interface Layout {
  /** Version of this file's format. */
  apiVersion: "hal/v1";
  kind: "Layout";
  /** Lower-case name; the file has the same name. */
  name: string;
  /** One line for `hal list`. */
  description: string;
  /** The root filesystem. */
  root: {
    /** verity: a read-only ext4 partition under dm-verity. ram: the whole root as initramfs, no disk. */
    type: "verity" | "ram";
    /** Size of the ext4 filesystem (verity). The image is sparse. */
    size: string;
  };
  /** Compression of the initramfs (verity) or of the whole root (ram). */
  compression: "gzip" | "zstd";
  /** The encrypted read-write partition: LUKS2, key made in the guest at every boot and held only in its RAM. */
  rw?: {
    /** A size in bytes with an optional binary unit: 512M, 8G. */
    size: string;
    /** Authenticated encryption by dm-integrity: whatever the host changes on the disk is an I/O error, never data. */
    integrity: "none" | "hmac-sha256";
    /** Where it is mounted. */
    mount: string;
    /** Directories of the root that live on it; each starts as a copy of what the verified root has there. */
    binds: string[];
  };
  /** Encrypted swap: dm-crypt with a random key at every boot. */
  swap?: {
    /** A size in bytes with an optional binary unit: 512M, 8G. */
    size: string;
  };
  /** Areas in RAM. */
  tmpfs: {
    /** Absolute path inside the image, without '..', '.' or empty parts. */
    path: string;
    /** Largest size: a share of RAM (50%) or a size (64M). */
    size: string;
    /** Octal file mode, quoted: "0644". */
    mode: string;
    /** Whether programs may be run from it: the execution area is. */
    exec: boolean;
    /** Never swapped out (Linux 6.4 and later). */
    noswap: boolean;
  }[];
  /** Kernel parameters that the layout needs. */
  cmdline: string[];
}
