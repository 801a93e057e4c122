// Generated from schema/ by `npm run generate`. Do not edit.

/** How the image is started. */
export interface LaunchSettings {
  /** Virtual CPUs. */
  cpus: number;
  /** CPU sockets; with `threads` the CPUs are laid out as sockets, cores and threads. */
  sockets?: number;
  /** Threads of one core; with `sockets`. */
  threads?: number;
  /** Largest number of virtual CPUs (hotplug). */
  maxCpus?: number;
  /** QEMU CPU model; the platform's own when not given. */
  cpuModel?: string;
  /** RAM. */
  memory: string;
  /** Memory hotplug slots; with maxMemory. */
  memorySlots?: number;
  /** Largest RAM; with memorySlots. */
  maxMemory?: string;
  /** OVMF: a file, or the file of a Debian package. QEMU's own default for a direct boot when not given. */
  firmware?: {
    /** Path on the build host; a relative one is relative to the file that names it. */
    path?: string;
    /** Debian package that has it. */
    package?: "ovmf" | "ovmf-amdsev" | "ovmf-inteltdx";
    /** The package's version; the newest of the suite when not given. */
    version?: string;
    /** The suite that has the package. */
    suite?: string;
    /** Variable store, for firmware in two parts. */
    vars?: string;
  };
  /** How the disk image is attached. */
  disk: {
    /**
     * Throw the guest's writes away when it stops, so that disk.img stays what the manifest says. Nothing is lost: the keys of its read-write partitions end with the guest.
     */
    snapshot: boolean;
  };
  /** IGVM file (COCONUT-SVSM with OVMF) that holds the firmware. */
  igvm?: string;
  /**
   * TCP ports of the host that lead into the guest.
   *
   * @maxItems 256
   */
  forwards: {
    /** Port on the host. */
    host: number;
    /** Port in the guest. */
    guest: number;
  }[];
  /** A vsock device. */
  vsock?: {
    /** The guest's context id. */
    cid: number;
  };
  /** Directories of the host that the guest can mount. */
  shares: {
    /** Mount tag. */
    tag: string;
    /** Protocol. */
    type: "9p" | "virtiofs";
    /**
     * Directory on the launching host (9p), or the socket of a virtiofsd there (virtiofs); given at launch (`hal run --share TAG=PATH`) when not set here.
     */
    path?: string;
  }[];
  /** QEMU monitors: `pty`, or `unix:PATH`; the serial console's own (Ctrl-a c) when none is given. */
  monitors: string[];
  /** TDX: where the quote generation service listens. */
  quoteGenerationSocket?: {
    /** Context id. */
    cid: number;
    /** Port. */
    port: number;
  };
  /** SEV-SNP: the VMSA's SEV_FEATURES, which depend on the host's kernel. */
  guestFeatures: string;
  /** SEV, SEV-ES, SEV-SNP: the guest policy; QEMU's own when not given. Bit 2 of a SEV policy asks for SEV-ES. */
  policy?: string;
  /** SEV-SNP: 32 bytes, base64, that the report repeats. */
  hostData?: string;
  /** SEV: position of the C-bit. */
  cbitpos: number;
  /** SEV: physical address bits lost to encryption. */
  reducedPhysBits: number;
}
