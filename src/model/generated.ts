// Generated from schema/ by `npm run generate`. Do not edit.

/**
 * A named bundle of contents, for both backends.
 */
export interface Feature {
  /**
   * Version of this file's format.
   */
  apiVersion: "hal/v1";
  kind: "Feature";
  /**
   * Lower-case name; the file has the same name.
   */
  name: string;
  /**
   * One line for `hal list`.
   */
  description: string;
  /**
   * What a profile must have for this feature to work.
   */
  requires: {
    /**
     * The init system.
     */
    init?: "systemd" | "busybox";
    /**
     * Other features.
     *
     * Items: Lower-case name; the file has the same name.
     */
    features: string[];
  };
  /**
   * What the buildroot backend needs.
   */
  buildroot: {
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: {
      [k: string]: string | number | boolean;
    };
    /**
     * Buildroot versions that lack the feature, and why.
     */
    unavailable: {
      [k: string]: string;
    };
  };
  /**
   * What the debian backend needs.
   */
  debian: {
    /**
     * Debian packages.
     */
    packages: string[];
    /**
     * The kernel flavour that has what the feature needs; generic wins over cloud.
     */
    kernel?: "cloud" | "generic";
    /**
     * Why Debian cannot provide the feature. A profile that uses it must name it in backends.debian.omit.
     */
    unavailable?: string;
  };
  /**
   * What the feature needs of the kernel.
   */
  kernel: {
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: {
      [k: string]: string | number | boolean;
    };
    /**
     * Modules to load before module loading is switched off, where the kernel has them as modules.
     *
     * Items: A kernel module's name.
     */
    modules: string[];
  };
  /**
   * File trees.
   *
   * Items: Path on the build host; a relative one is relative to the file that names it.
   */
  overlays: string[];
  /**
   * Single files.
   *
   * Items: One file in the image, from a file beside this YAML or from text given here, or a symbolic link.
   */
  files: {
    /**
     * Absolute path inside the image, without '..', '.' or empty parts.
     */
    path: string;
    /**
     * Path on the build host; a relative one is relative to the file that names it.
     */
    source?: string;
    /**
     * The file's text.
     */
    content?: string;
    /**
     * Where a symbolic link leads, inside the image; a link has no mode and no owner of its own.
     */
    link?: string;
    /**
     * Octal file mode, quoted: "0644".
     */
    mode: string;
    /**
     * A user or group name, or a number.
     */
    owner: string;
    /**
     * A user or group name, or a number.
     */
    group: string;
  }[];
  /**
   * User accounts.
   *
   * Items: One user account.
   */
  users: {
    /**
     * Login name.
     */
    name: string;
    /**
     * User id; fixed, so that images repeat.
     */
    uid: number;
    /**
     * Group id of the user's own group; the user id when not given.
     */
    gid?: number;
    /**
     * Further groups.
     */
    groups: string[];
    /**
     * Home directory; none when not given.
     */
    home?: string;
    /**
     * Login shell.
     */
    shell: string;
    /**
     * Password as crypt(5) text; locked when not given. Plain text is refused: it would get a new salt at every build.
     */
    password?: string;
  }[];
  /**
   * systemd units.
   *
   * Items: One systemd unit.
   */
  units: {
    /**
     * A systemd unit's file name.
     */
    name: string;
    /**
     * Path on the build host; a relative one is relative to the file that names it.
     */
    source?: string;
    /**
     * The unit's text.
     */
    content?: string;
    /**
     * Start it at boot, as its [Install] section says.
     */
    enable: boolean;
  }[];
  /**
   * Units of packages to start at boot.
   *
   * Items: A systemd unit's file name.
   */
  enable: string[];
}

/**
 * launch.json: everything needed to start one image. Paths are relative to the folder of this file, or absolute.
 */
export interface Launch {
  /**
   * Version of this file's format.
   */
  schema: "hal.launch/v1";
  /**
   * Lower-case name; the file has the same name.
   */
  profile: string;
  /**
   * A TEE, or none.
   */
  platform: "sev-snp" | "sev" | "tdx" | "nitro" | "none";
  /**
   * Where kernel and root tree come from.
   */
  backend?: "buildroot" | "debian";
  /**
   * The image has a console and a root login: for development only.
   */
  debug: boolean;
  /**
   * direct: the launcher loads kernel and initrd. disk: the firmware boots the disk. enclave: the launcher loads the EIF.
   */
  boot: "direct" | "disk" | "enclave";
  /**
   * QEMU machine.
   */
  machine: {
    /**
     * Machine type.
     */
    type: string;
    /**
     * Machine options, in QEMU's names.
     */
    options: {
      [k: string]: string;
    };
    /**
     * No device that is not listed here.
     */
    nodefaults?: boolean;
    /**
     * Stop where the guest asks for a reboot: a TEE cannot be reset.
     */
    noReboot?: boolean;
  };
  /**
   * Virtual CPUs.
   */
  cpu: {
    /**
     * QEMU CPU model.
     */
    model: string;
    /**
     * How many.
     */
    count: number;
    /**
     * Largest number (hotplug).
     */
    max?: number;
    /**
     * Their arrangement.
     */
    topology?: {
      /**
       * Sockets.
       */
      sockets: number;
      /**
       * Cores of a socket.
       */
      cores: number;
      /**
       * Threads of a core.
       */
      threads: number;
    };
  };
  /**
   * RAM.
   */
  memory: {
    /**
     * A size in bytes with an optional binary unit: 512M, 8G.
     */
    size: string;
    /**
     * The same size in bytes.
     */
    bytes: number;
    /**
     * Hotplug slots.
     */
    slots?: number;
    /**
     * Largest RAM.
     */
    max?: string;
    /**
     * Memory backend: memfd, which private guest memory needs.
     */
    backend?: {
      /**
       * Name inside the QEMU command line.
       */
      id: string;
      /**
       * Options, in QEMU's names.
       */
      options: {
        [k: string]: boolean;
      };
    };
  };
  /**
   * The firmware; QEMU's own when not given.
   */
  firmware?: {
    /**
     * bios: one file, in RAM. pflash: flash, with a variable store. igvm: an IGVM file that holds it.
     */
    kind: "bios" | "pflash" | "igvm";
    /**
     * Relative to the folder of this file, or absolute.
     */
    path: string;
    /**
     * SHA-256 of the file; not known when it was not there at build.
     */
    sha256?: string;
    /**
     * Debian package that has it.
     */
    package?: string;
    /**
     * The package's version.
     */
    packageVersion?: string;
    /**
     * Template of the variable store.
     */
    vars?: {
      /**
       * Relative to the folder of this file, or absolute.
       */
      path: string;
      /**
       * SHA-256 digest, lower-case hex.
       */
      sha256?: string;
    };
  };
  /**
   * Kernel.
   */
  kernel?: {
    /**
     * Relative to the folder of this file, or absolute.
     */
    path: string;
    /**
     * Bytes.
     */
    size: number;
    /**
     * SHA-256 digest, lower-case hex.
     */
    sha256: string;
  };
  /**
   * Initial RAM filesystem.
   */
  initrd?: {
    /**
     * Relative to the folder of this file, or absolute.
     */
    path: string;
    /**
     * Bytes.
     */
    size: number;
    /**
     * SHA-256 digest, lower-case hex.
     */
    sha256: string;
  };
  /**
   * Enclave image.
   */
  eif?: {
    /**
     * Relative to the folder of this file, or absolute.
     */
    path: string;
    /**
     * Bytes.
     */
    size: number;
    /**
     * SHA-256 digest, lower-case hex.
     */
    sha256: string;
  };
  /**
   * Kernel command line; part of the image where boot is not direct.
   */
  cmdline: string;
  /**
   * Disks, as SCSI disks on virtio.
   */
  drives: {
    /**
     * Name inside the QEMU command line.
     */
    id: string;
    /**
     * Relative to the folder of this file, or absolute.
     */
    path: string;
    /**
     * Bytes.
     */
    size: number;
    /**
     * SHA-256 digest, lower-case hex.
     */
    sha256: string;
    /**
     * Image format.
     */
    format: "raw" | "qcow2";
    /**
     * The guest's writes are thrown away when it stops.
     */
    snapshot: boolean;
  }[];
  /**
   * Options of the virtio disk controller and network card, in QEMU's names.
   */
  virtio?: {
    /**
     * Virtio 1.0 only.
     */
    "disable-legacy"?: boolean;
    /**
     * DMA through shared memory only.
     */
    iommu_platform?: boolean;
  };
  /**
   * Network card on QEMU's user network.
   */
  net?: {
    /**
     * Name inside the QEMU command line.
     */
    id: string;
    /**
     * Whether the card has its boot ROM.
     */
    rom?: boolean;
    /**
     * TCP ports of the host that lead into the guest.
     */
    forwards: {
      /**
       * Port on the host.
       */
      host: number;
      /**
       * Port in the guest.
       */
      guest: number;
    }[];
  };
  /**
   * Vsock device.
   */
  vsock?: {
    /**
     * The guest's context id.
     */
    cid: number;
  };
  /**
   * Directories of the host that the guest can mount.
   */
  shares: {
    /**
     * Mount tag.
     */
    tag: string;
    /**
     * Protocol.
     */
    type: "9p" | "virtiofs";
    /**
     * The directory (9p), or the socket of its virtiofsd (virtiofs); chosen at launch when not given.
     */
    path?: string;
    /**
     * Name of the variable that stands for it in `argv` and in the shell format.
     */
    variable: string;
  }[];
  /**
   * QEMU monitors.
   */
  monitors: string[];
  /**
   * The TEE and its parameters.
   */
  tee?: {
    /**
     * A TEE, or none.
     */
    type: "sev-snp" | "sev" | "tdx" | "nitro" | "none";
    /**
     * Name inside the QEMU command line.
     */
    id: string;
    /**
     * SEV: position of the C-bit.
     */
    cbitpos?: number;
    /**
     * SEV: physical address bits lost to encryption.
     */
    reducedPhysBits?: number;
    /**
     * SEV: guest policy.
     */
    policy?: string;
    /**
     * SEV: hashes of kernel, initrd and command line are part of the launch digest.
     */
    kernelHashes?: boolean;
    /**
     * SEV-SNP: the VMSA's SEV_FEATURES that the launch digest holds for; the host's kernel sets them.
     */
    guestFeatures?: string;
    /**
     * SEV-SNP: 32 bytes, base64.
     */
    hostData?: string;
    /**
     * SEV-SNP: ID block, 96 bytes, base64.
     */
    idBlock?: string;
    /**
     * SEV-SNP: ID authentication information, 4096 bytes, base64.
     */
    idAuth?: string;
    /**
     * SEV-SNP: the ID key is signed by an author key.
     */
    authorKeyEnabled?: boolean;
    /**
     * TDX: vsock address of the quote generation service.
     */
    quoteGenerationSocket?: {
      /**
       * Context id.
       */
      cid: number;
      /**
       * Port.
       */
      port: number;
    };
  };
  /**
   * Words in `argv` that the launcher replaces.
   */
  placeholders: {
    /**
     * As it stands in `argv`: ${NAME}.
     */
    word: string;
    /**
     * What goes there.
     */
    means: string;
  }[];
  /**
   * The command, run in this folder, word by word.
   *
   * @minItems 1
   */
  argv: string[];
  /**
   * Which reference measurements belong to exactly this combination.
   */
  measurements: {
    /**
     * Where the values are.
     */
    file: "measurements.json";
    /**
     * Which of them, by platform and register.
     */
    values: {
      /**
       * Who reports a register: a platform, SEV with encrypted state (sev-es), or a vTPM.
       */
      platform: "sev" | "sev-es" | "sev-snp" | "tdx" | "vtpm" | "nitro";
      /**
       * As in measurements.json.
       */
      registers: string[];
    }[];
    /**
     * What they hold for.
     */
    holdsFor: {
      /**
       * SHA-256 digest, lower-case hex.
       */
      firmware?: string;
      /**
       * Virtual CPUs.
       */
      vcpus?: number;
      /**
       * CPU model.
       */
      cpuModel?: string;
      /**
       * RAM in bytes.
       */
      memory?: number;
      /**
       * SEV_FEATURES.
       */
      guestFeatures?: string;
    };
  };
}

/**
 * Where the bytes of an image live: root filesystem, encrypted partitions, tmpfs areas.
 */
export interface Layout {
  /**
   * Version of this file's format.
   */
  apiVersion: "hal/v1";
  kind: "Layout";
  /**
   * Lower-case name; the file has the same name.
   */
  name: string;
  /**
   * One line for `hal list`.
   */
  description: string;
  /**
   * The root filesystem.
   */
  root: {
    /**
     * verity: a read-only ext4 partition under dm-verity. ram: the whole root as initramfs, no disk.
     */
    type: "verity" | "ram";
    /**
     * Size of the ext4 filesystem (verity). The image is sparse.
     */
    size: string;
  };
  /**
   * Compression of the initramfs (verity) or of the whole root (ram).
   */
  compression: "gzip" | "zstd";
  /**
   * The encrypted read-write partition: LUKS2, key made in the guest at every boot and held only in its RAM.
   */
  rw?: {
    /**
     * A size in bytes with an optional binary unit: 512M, 8G.
     */
    size: string;
    /**
     * Authenticated encryption by dm-integrity: whatever the host changes on the disk is an I/O error, never data.
     */
    integrity: "none" | "hmac-sha256";
    /**
     * Where it is mounted.
     */
    mount: string;
    /**
     * Directories of the root that live on it; each starts as a copy of what the verified root has there.
     *
     * Items: Absolute path inside the image, without '..', '.' or empty parts.
     */
    binds: string[];
  };
  /**
   * Encrypted swap: dm-crypt with a random key at every boot.
   */
  swap?: {
    /**
     * A size in bytes with an optional binary unit: 512M, 8G.
     */
    size: string;
  };
  /**
   * Areas in RAM.
   */
  tmpfs: {
    /**
     * Absolute path inside the image, without '..', '.' or empty parts.
     */
    path: string;
    /**
     * Largest size: a share of RAM (50%) or a size (64M).
     */
    size: string;
    /**
     * Octal file mode, quoted: "0644".
     */
    mode: string;
    /**
     * Whether programs may be run from it: the execution area is.
     */
    exec: boolean;
    /**
     * Never swapped out (Linux 6.4 and later).
     */
    noswap: boolean;
  }[];
  /**
   * Kernel parameters that the layout needs.
   */
  cmdline: string[];
}

/**
 * What was built and from what: every artifact with size and digest, every input that made it.
 */
export interface Manifest {
  schema: "hal.manifest/v1";
  /**
   * The profile's name.
   */
  profile: string;
  /**
   * A TEE, or none.
   */
  platform: "sev-snp" | "sev" | "tdx" | "nitro" | "none";
  /**
   * The layout's name.
   */
  layout: string;
  /**
   * What the image promises to whoever boots it; `hal test` holds it to that.
   */
  promises?: {
    /**
     * The init system.
     */
    init: "systemd" | "busybox";
    /**
     * Whether it has an SSH server.
     */
    ssh: boolean;
    /**
     * The layout as it was built, with the profile's layoutOptions.
     */
    layout: {
      /**
       * Version of this file's format.
       */
      apiVersion: "hal/v1";
      kind: "Layout";
      /**
       * Lower-case name; the file has the same name.
       */
      name: string;
      /**
       * One line for `hal list`.
       */
      description: string;
      /**
       * The root filesystem.
       */
      root: {
        /**
         * verity: a read-only ext4 partition under dm-verity. ram: the whole root as initramfs, no disk.
         */
        type: "verity" | "ram";
        /**
         * Size of the ext4 filesystem (verity). The image is sparse.
         */
        size: string;
      };
      /**
       * Compression of the initramfs (verity) or of the whole root (ram).
       */
      compression: "gzip" | "zstd";
      /**
       * The encrypted read-write partition: LUKS2, key made in the guest at every boot and held only in its RAM.
       */
      rw?: {
        /**
         * A size in bytes with an optional binary unit: 512M, 8G.
         */
        size: string;
        /**
         * Authenticated encryption by dm-integrity: whatever the host changes on the disk is an I/O error, never data.
         */
        integrity: "none" | "hmac-sha256";
        /**
         * Where it is mounted.
         */
        mount: string;
        /**
         * Directories of the root that live on it; each starts as a copy of what the verified root has there.
         *
         * Items: Absolute path inside the image, without '..', '.' or empty parts.
         */
        binds: string[];
      };
      /**
       * Encrypted swap: dm-crypt with a random key at every boot.
       */
      swap?: {
        /**
         * A size in bytes with an optional binary unit: 512M, 8G.
         */
        size: string;
      };
      /**
       * Areas in RAM.
       */
      tmpfs: {
        /**
         * Absolute path inside the image, without '..', '.' or empty parts.
         */
        path: string;
        /**
         * Largest size: a share of RAM (50%) or a size (64M).
         */
        size: string;
        /**
         * Octal file mode, quoted: "0644".
         */
        mode: string;
        /**
         * Whether programs may be run from it: the execution area is.
         */
        exec: boolean;
        /**
         * Never swapped out (Linux 6.4 and later).
         */
        noswap: boolean;
      }[];
      /**
       * Kernel parameters that the layout needs.
       */
      cmdline: string[];
    };
  };
  /**
   * Where kernel and root tree came from.
   */
  backend: "buildroot" | "debian";
  /**
   * A debug image: console and login are open. Never to be trusted.
   */
  debug: boolean;
  /**
   * The one point in time in every artifact.
   */
  sourceDateEpoch: number;
  /**
   * Features that the profile allows the backend to leave out, and that it left out.
   */
  omitted: string[];
  /**
   * hal's version.
   */
  hal: string;
  /**
   * What made the image.
   */
  inputs: {
    /**
     * SHA-256 over everything that decides the build; equal digests mean an equal image.
     */
    digest: string;
    /**
     * SHA-256 over the rendered external tree.
     */
    tree: string;
    /**
     * Every file of the rendered external tree with its SHA-256: one compact array of (file, checksum).
     */
    files: string[][];
    /**
     * The backend's own inputs: suite, archive state, Buildroot version and commit, overrides.
     */
    details: {};
  };
  /**
   * Every package in the image.
   */
  packages: {
    name: string;
    version: string;
    /**
     * Digest of the package or source archive.
     */
    sha256?: string;
    /**
     * Source package or download address.
     */
    source?: string;
    /**
     * Licences as the package declares them.
     */
    license?: string;
  }[];
  /**
   * Every file of the output directory except this one and build.log.
   */
  artifacts: {
    /**
     * A file of the output directory itself.
     */
    name: string;
    /**
     * Bytes.
     */
    size: number;
    sha256: string;
  }[];
}

/**
 * What the hardware will report: one entry per register, bank and combination; and what cannot be predicted, with the reason.
 */
export interface Measurements {
  schema: "hal.measurements/v1";
  /**
   * Predicted values.
   */
  values: {
    /**
     * Who reports a register: a platform, SEV with encrypted state (sev-es), or a vTPM.
     */
    platform: "sev" | "sev-es" | "sev-snp" | "tdx" | "vtpm" | "nitro";
    /**
     * The register.
     */
    register: string;
    /**
     * The hash.
     */
    bank: "sha1" | "sha256" | "sha384";
    /**
     * The value, hex.
     */
    value: string;
    /**
     * The exact combination that the value holds for: firmware digest, vCPUs, CPU model, memory, QEMU and firmware generation.
     */
    holdsFor: {
      [k: string]: string | number | boolean;
    };
    /**
     * The artifacts and settings that it depends on.
     */
    from: string[];
  }[];
  /**
   * Registers without a value.
   */
  notPredicted: {
    /**
     * Who reports it.
     */
    platform: string;
    /**
     * The register.
     */
    register: string;
    /**
     * Why it cannot be predicted.
     */
    why: string;
  }[];
}

/**
 * What one image is.
 */
export interface Profile {
  /**
   * Version of this file's format.
   */
  apiVersion: "hal/v1";
  kind: "Profile";
  /**
   * Lower-case name; the file has the same name.
   */
  name: string;
  /**
   * One line for `hal list`.
   */
  description: string;
  /**
   * Only for other profiles to extend; cannot be built.
   */
  abstract: boolean;
  /**
   * Parents, applied in order before this file: maps merge, lists append; a value tagged !replace stands instead of the inherited one.
   */
  extends?: string | string[];
  /**
   * The TEE that the image runs on; none for development.
   */
  platform?: "sev-snp" | "sev" | "tdx" | "nitro" | "none";
  /**
   * A layout's name, or a path to its YAML file.
   */
  layout?: string;
  /**
   * Values of the layout that this profile changes.
   */
  layoutOptions: {
    /**
     * Size of the root filesystem.
     */
    rootSize?: string;
    /**
     * Size of the encrypted read-write partition.
     */
    rwSize?: string;
    /**
     * Size of the encrypted swap partition.
     */
    swapSize?: string;
    /**
     * Authentication of the read-write partition.
     */
    integrity?: "none" | "hmac-sha256";
  };
  /**
   * Features, by name or by path to a YAML file.
   */
  features: string[];
  /**
   * The init system.
   */
  init: "systemd" | "busybox";
  /**
   * direct: the launcher loads kernel and initrd. uki: the disk has a unified kernel image on an EFI system partition.
   */
  boot: "direct" | "uki";
  /**
   * The image's host name.
   */
  hostname: string;
  /**
   * The one point in time in every output, in seconds since 1970 (SOURCE_DATE_EPOCH).
   */
  sourceDateEpoch: number;
  /**
   * The kernel.
   */
  kernel: {
    /**
     * Linux version that the buildroot backend compiles.
     */
    version: string;
    /**
     * SHA-256 of linux-VERSION.tar.xz.
     */
    sha256?: string;
    /**
     * A kernel source archive of your own instead of the official one.
     */
    tarball?: string;
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: {
      [k: string]: string | number | boolean;
    };
    /**
     * Kernel configuration fragments, applied in order.
     *
     * Items: Path on the build host; a relative one is relative to the file that names it.
     */
    fragments: string[];
    /**
     * Modules to load before module loading is switched off, where the kernel has them as modules.
     *
     * Items: A kernel module's name.
     */
    modules: string[];
    /**
     * Kernel parameters, in order. hal adds what the layout needs.
     */
    cmdline: string[];
  };
  /**
   * The buildroot backend.
   */
  buildroot: {
    /**
     * Buildroot release.
     */
    version: string;
    /**
     * Git commit of that release's tag.
     */
    commit: string;
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: {
      [k: string]: string | number | boolean;
    };
    /**
     * internal: Buildroot compiles it. bootlin: a prebuilt one that Buildroot downloads. external: one of yours.
     */
    toolchain:
      | ("internal" | "bootlin")
      | {
          /**
           * Path on the build host; a relative one is relative to the file that names it.
           */
          external: string;
          /**
           * The compiler's prefix, without the last dash.
           */
          prefix: string;
          /**
           * Major version of its gcc.
           */
          gcc: number;
          /**
           * Series of its kernel headers.
           */
          headers: string;
          /**
           * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
           */
          config: {
            [k: string]: string | number | boolean;
          };
        };
    /**
     * Packages built from a source tree of yours (OVERRIDE_SRCDIR).
     */
    overrides: {
      /**
       * Path on the build host; a relative one is relative to the file that names it.
       */
      [k: string]: string;
    };
    /**
     * A make file of yours, included as BR2_PACKAGE_OVERRIDE_FILE.
     */
    localMk?: string;
    /**
     * Where downloads are looked for first.
     */
    primarySite?: string;
  };
  /**
   * The debian backend.
   */
  debian: {
    /**
     * Debian suite.
     */
    suite: string;
    /**
     * State of the archive to build from, a time stamp of the snapshot service.
     */
    snapshot?: string;
    /**
     * Archive to use; the host's own apt sources, else Debian's, when not given.
     */
    mirror?: string;
    /**
     * Debian packages.
     */
    packages: string[];
    /**
     * Kernel flavour.
     */
    kernel: "cloud" | "generic";
  };
  /**
   * What a backend may leave out of this profile.
   */
  backends: {
    debian: {
      /**
       * Features that the debian backend leaves out; recorded in every output.
       *
       * Items: Lower-case name; the file has the same name.
       */
      omit: string[];
    };
  };
  /**
   * File trees that are copied over the root, in order.
   *
   * Items: Path on the build host; a relative one is relative to the file that names it.
   */
  overlays: string[];
  /**
   * Single files in the root.
   *
   * Items: One file in the image, from a file beside this YAML or from text given here, or a symbolic link.
   */
  files: {
    /**
     * Absolute path inside the image, without '..', '.' or empty parts.
     */
    path: string;
    /**
     * Path on the build host; a relative one is relative to the file that names it.
     */
    source?: string;
    /**
     * The file's text.
     */
    content?: string;
    /**
     * Where a symbolic link leads, inside the image; a link has no mode and no owner of its own.
     */
    link?: string;
    /**
     * Octal file mode, quoted: "0644".
     */
    mode: string;
    /**
     * A user or group name, or a number.
     */
    owner: string;
    /**
     * A user or group name, or a number.
     */
    group: string;
  }[];
  /**
   * User accounts.
   *
   * Items: One user account.
   */
  users: {
    /**
     * Login name.
     */
    name: string;
    /**
     * User id; fixed, so that images repeat.
     */
    uid: number;
    /**
     * Group id of the user's own group; the user id when not given.
     */
    gid?: number;
    /**
     * Further groups.
     */
    groups: string[];
    /**
     * Home directory; none when not given.
     */
    home?: string;
    /**
     * Login shell.
     */
    shell: string;
    /**
     * Password as crypt(5) text; locked when not given. Plain text is refused: it would get a new salt at every build.
     */
    password?: string;
  }[];
  /**
   * systemd units.
   */
  services: {
    /**
     * Units of your own.
     *
     * Items: One systemd unit.
     */
    units: {
      /**
       * A systemd unit's file name.
       */
      name: string;
      /**
       * Path on the build host; a relative one is relative to the file that names it.
       */
      source?: string;
      /**
       * The unit's text.
       */
      content?: string;
      /**
       * Start it at boot, as its [Install] section says.
       */
      enable: boolean;
    }[];
    /**
     * Units of packages to start at boot.
     *
     * Items: A systemd unit's file name.
     */
    enable: string[];
    /**
     * Units of packages that must not start.
     *
     * Items: A systemd unit's file name.
     */
    disable: string[];
  };
  /**
   * An SSH server.
   */
  ssh: boolean;
  /**
   * Console and root login without a password. Marked in every output and refused by `hal build --release`.
   */
  debug: boolean;
  /**
   * How the image is started.
   */
  launch: {
    /**
     * Virtual CPUs.
     */
    cpus: number;
    /**
     * CPU sockets; with `threads` the CPUs are laid out as sockets, cores and threads.
     */
    sockets?: number;
    /**
     * Threads of one core; with `sockets`.
     */
    threads?: number;
    /**
     * Largest number of virtual CPUs (hotplug).
     */
    maxCpus?: number;
    /**
     * QEMU CPU model; the platform's own when not given.
     */
    cpuModel?: string;
    /**
     * RAM.
     */
    memory: string;
    /**
     * Memory hotplug slots; with maxMemory.
     */
    memorySlots?: number;
    /**
     * Largest RAM; with memorySlots.
     */
    maxMemory?: string;
    /**
     * OVMF: a file, or the file of a Debian package. QEMU's own default for a direct boot when not given.
     */
    firmware?: {
      /**
       * Path on the build host; a relative one is relative to the file that names it.
       */
      path?: string;
      /**
       * Debian package that has it.
       */
      package?: "ovmf" | "ovmf-amdsev" | "ovmf-inteltdx";
      /**
       * The package's version; the newest of the suite when not given.
       */
      version?: string;
      /**
       * The suite that has the package.
       */
      suite?: string;
      /**
       * Variable store, for firmware in two parts.
       */
      vars?: string;
    };
    /**
     * How the disk image is attached.
     */
    disk: {
      /**
       * Throw the guest's writes away when it stops, so that disk.img stays what the manifest says. Nothing is lost: the keys of its read-write partitions end with the guest.
       */
      snapshot: boolean;
    };
    /**
     * IGVM file (COCONUT-SVSM with OVMF) that holds the firmware.
     */
    igvm?: string;
    /**
     * TCP ports of the host that lead into the guest.
     *
     * @maxItems 256
     */
    forwards: {
      /**
       * Port on the host.
       */
      host: number;
      /**
       * Port in the guest.
       */
      guest: number;
    }[];
    /**
     * A vsock device.
     */
    vsock?: {
      /**
       * The guest's context id.
       */
      cid: number;
    };
    /**
     * Directories of the host that the guest can mount.
     */
    shares: {
      /**
       * Mount tag.
       */
      tag: string;
      /**
       * Protocol.
       */
      type: "9p" | "virtiofs";
      /**
       * Directory on the launching host (9p), or the socket of a virtiofsd there (virtiofs); given at launch (`hal run --share TAG=PATH`) when not set here.
       */
      path?: string;
    }[];
    /**
     * QEMU monitors: `pty`, or `unix:PATH`; the serial console's own (Ctrl-a c) when none is given.
     */
    monitors: string[];
    /**
     * TDX: where the quote generation service listens.
     */
    quoteGenerationSocket?: {
      /**
       * Context id.
       */
      cid: number;
      /**
       * Port.
       */
      port: number;
    };
    /**
     * SEV-SNP: the VMSA's SEV_FEATURES, which depend on the host's kernel.
     */
    guestFeatures: string;
    /**
     * SEV, SEV-ES, SEV-SNP: the guest policy; QEMU's own when not given. Bit 2 of a SEV policy asks for SEV-ES.
     */
    policy?: string;
    /**
     * SEV-SNP: 32 bytes, base64, that the report repeats.
     */
    hostData?: string;
    /**
     * SEV: position of the C-bit.
     */
    cbitpos: number;
    /**
     * SEV: physical address bits lost to encryption.
     */
    reducedPhysBits: number;
  };
}
