// Generated from schema/ by `npm run generate`. Do not edit.

/** How the image is started. */
export interface LaunchSettings {
  /** The number of virtual CPUs. */
  cpus: number;
  /** The number of CPU sockets. Together with `threads`, it sets the CPU topology. */
  sockets?: number;
  /** The number of threads of a core. Needs `sockets`. */
  threads?: number;
  /** The maximum number of virtual CPUs for hotplug. */
  maxCpus?: number;
  /** The QEMU CPU model. By default, the model of the platform. */
  cpuModel?: string;
  /** The size of the RAM. */
  memory: string;
  /** The number of slots for memory hotplug. Needs `maxMemory`. */
  memorySlots?: number;
  /** The maximum size of the RAM for hotplug. Needs `memorySlots`. */
  maxMemory?: string;
  /**
   * The OVMF firmware: a file (`path`) or a Debian package (`package`). By default, QEMU's own firmware, which only a direct boot can use.
   */
  firmware?: {
    /** A path on the build host. A relative path is relative to the file that contains it. */
    path?: string;
    /** The Debian package that contains the firmware. */
    package?: "ovmf" | "ovmf-amdsev" | "ovmf-inteltdx";
    /** The version of the package. By default, the newest version of the suite. */
    version?: string;
    /** The Debian suite that contains the package. */
    suite?: string;
    /** The variable store of a firmware that has two parts. */
    vars?: string;
  };
  /** How the disk image is attached. */
  disk: {
    /**
     * Discard the guest's writes when it stops, so that disk.img keeps the digest in the manifest. The guest cannot use the data after a reboot in any case: the keys of its read-write partitions exist only in its RAM.
     */
    snapshot: boolean;
  };
  /** An IGVM file that contains the firmware, such as COCONUT-SVSM with OVMF. */
  igvm?: string;
  /** TCP ports of the host that are forwarded to the guest. */
  forwards: {
    /** The port on the host. */
    host: number;
    /** The port in the guest. */
    guest: number;
  }[];
  /** The vsock device. */
  vsock?: {
    /** The guest's context ID. */
    cid: number;
  };
  /**
   * Directories of the host that the guest can mount. `hal run --share TAG=PATH` gives the directory (`9p`) or the socket of its virtiofsd (`virtiofs`).
   */
  shares: {
    /** The mount tag. */
    tag: string;
    /** The protocol. */
    type: "9p" | "virtiofs";
  }[];
  /**
   * QEMU monitors, each `pty` or `unix:NAME`, where NAME is the name of a socket without a directory. By default, the monitor is on the serial console (Ctrl-a c).
   */
  monitors: string[];
  /** TDX: the vsock address of the quote generation service. */
  quoteGenerationSocket?: {
    /** The context ID. */
    cid: number;
    /** The port. */
    port: number;
  };
  /** SEV-SNP: the SEV_FEATURES of the VMSA. The host's kernel sets them, and the launch digest depends on them. */
  guestFeatures: string;
  /** SEV, SEV-ES, SEV-SNP: the guest policy. By default, QEMU's. Bit 2 of an SEV policy requests SEV-ES. */
  policy?: string;
  /** SEV-SNP: HOST_DATA, 32 bytes in base64. The attestation report contains it. */
  hostData?: string;
  /** SEV: the position of the C-bit in a page table entry. */
  cbitpos: number;
  /** SEV: the number of physical address bits that memory encryption uses. */
  reducedPhysBits: number;
}
