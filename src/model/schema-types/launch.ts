// Generated from schema/ by `npm run generate`. Do not edit.
import type { MeasuredPlatform, Platform } from "./common.js";

export interface Artifact {
  /** Relative to the folder of this file, or absolute. */
  path: string;
  /** Bytes. */
  size: number;
  /** SHA-256 digest, lower-case hex. */
  sha256: string;
}

/** launch.json: everything needed to start one image. Paths are relative to the folder of this file, or absolute. */
export interface Launch {
  /** Version of this file's format. */
  schema: "hal.launch/v1";
  /** Lower-case name; the file has the same name. */
  profile: string;
  /** A TEE, or none. */
  platform: Platform;
  /** Where kernel and root tree come from. */
  backend?: "buildroot" | "debian";
  /** The image has a console and a root login: for development only. */
  debug: boolean;
  /** direct: the launcher loads kernel and initrd. disk: the firmware boots the disk. enclave: the launcher loads the EIF. */
  boot: "direct" | "disk" | "enclave";
  /** QEMU machine. */
  machine: {
    /** Machine type. */
    type: string;
    /** Machine options, in QEMU's names. */
    options: {
      [k: string]: string;
    };
    /** No device that is not listed here. */
    nodefaults?: boolean;
    /** Stop where the guest asks for a reboot: a TEE cannot be reset. */
    noReboot?: boolean;
  };
  /** Virtual CPUs. */
  cpu: {
    /** QEMU CPU model. */
    model: string;
    /** How many. */
    count: number;
    /** Largest number (hotplug). */
    max?: number;
    /** Their arrangement. */
    topology?: {
      /** Sockets. */
      sockets: number;
      /** Cores of a socket. */
      cores: number;
      /** Threads of a core. */
      threads: number;
    };
  };
  /** RAM. */
  memory: {
    /** A size in bytes with an optional binary unit: 512M, 8G. */
    size: string;
    /** The same size in bytes. */
    bytes: number;
    /** Hotplug slots. */
    slots?: number;
    /** Largest RAM. */
    max?: string;
    /** Memory backend: memfd, which private guest memory needs. */
    backend?: {
      /** Name inside the QEMU command line. */
      id: string;
      /** Options, in QEMU's names. */
      options: {
        [k: string]: boolean;
      };
    };
  };
  /** The firmware; QEMU's own when not given. */
  firmware?: {
    /** bios: one file, in RAM. pflash: flash, with a variable store. igvm: an IGVM file that holds it. */
    kind: "bios" | "pflash" | "igvm";
    /** Relative to the folder of this file, or absolute. */
    path: string;
    /** SHA-256 of the file; not known when it was not there at build. */
    sha256?: string;
    /** Debian package that has it. */
    package?: string;
    /** The package's version. */
    packageVersion?: string;
    /** Template of the variable store. */
    vars?: {
      /** Relative to the folder of this file, or absolute. */
      path: string;
      /** SHA-256 digest, lower-case hex. */
      sha256?: string;
    };
  };
  /** Kernel. */
  kernel?: Artifact;
  /** Initial RAM filesystem. */
  initrd?: Artifact;
  /** Enclave image. */
  eif?: Artifact;
  /** Kernel command line; part of the image where boot is not direct. */
  cmdline: string;
  /** Disks, as SCSI disks on virtio. */
  drives: {
    /** Name inside the QEMU command line. */
    id: string;
    /** Relative to the folder of this file, or absolute. */
    path: string;
    /** Bytes. */
    size: number;
    /** SHA-256 digest, lower-case hex. */
    sha256: string;
    /** Image format. */
    format: "raw" | "qcow2";
    /** The guest's writes are thrown away when it stops. */
    snapshot: boolean;
  }[];
  /** Options of the virtio disk controller and network card, in QEMU's names. */
  virtio?: {
    /** Virtio 1.0 only. */
    "disable-legacy"?: boolean;
    /** DMA through shared memory only. */
    iommu_platform?: boolean;
  };
  /** Network card on QEMU's user network. */
  net?: {
    /** Name inside the QEMU command line. */
    id: string;
    /** Whether the card has its boot ROM. */
    rom?: boolean;
    /** TCP ports of the host that lead into the guest. */
    forwards: {
      /** Port on the host. */
      host: number;
      /** Port in the guest. */
      guest: number;
    }[];
  };
  /** Vsock device. */
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
    /** The directory (9p), or the socket of its virtiofsd (virtiofs); chosen at launch when not given. */
    path?: string;
    /** Name of the variable that stands for it in `argv` and in the shell format. */
    variable: string;
  }[];
  /** QEMU monitors. */
  monitors: string[];
  /** The TEE and its parameters. */
  tee?: {
    /** A TEE, or none. */
    type: Platform;
    /** Name inside the QEMU command line. */
    id: string;
    /** SEV: position of the C-bit. */
    cbitpos?: number;
    /** SEV: physical address bits lost to encryption. */
    reducedPhysBits?: number;
    /** SEV: guest policy. */
    policy?: string;
    /** SEV: hashes of kernel, initrd and command line are part of the launch digest. */
    kernelHashes?: boolean;
    /** SEV-SNP: the VMSA's SEV_FEATURES that the launch digest holds for; the host's kernel sets them. */
    guestFeatures?: string;
    /** SEV-SNP: 32 bytes, base64. */
    hostData?: string;
    /** SEV-SNP: ID block, 96 bytes, base64. */
    idBlock?: string;
    /** SEV-SNP: ID authentication information, 4096 bytes, base64. */
    idAuth?: string;
    /** SEV-SNP: the ID key is signed by an author key. */
    authorKeyEnabled?: boolean;
    /** TDX: vsock address of the quote generation service. */
    quoteGenerationSocket?: {
      /** Context id. */
      cid: number;
      /** Port. */
      port: number;
    };
  };
  /** Words in `argv` that the launcher replaces. */
  placeholders: {
    /** As it stands in `argv`: ${NAME}. */
    word: string;
    /** What goes there. */
    means: string;
  }[];
  /**
   * The command, run in this folder, word by word.
   *
   * @minItems 1
   */
  argv: string[];
  /** Which reference measurements belong to exactly this combination. */
  measurements: {
    /** Where the values are. */
    file: "measurements.json";
    /** Which of them, by platform and register. */
    values: {
      /** Who reports a register: a platform, SEV with encrypted state (sev-es), or a vTPM. */
      platform: MeasuredPlatform;
      /** As in measurements.json. */
      registers: string[];
    }[];
    /** What they hold for. */
    holdsFor: {
      /** SHA-256 digest, lower-case hex. */
      firmware?: string;
      /** Virtual CPUs. */
      vcpus?: number;
      /** CPU model. */
      cpuModel?: string;
      /** RAM in bytes. */
      memory?: number;
      /** SEV_FEATURES. */
      guestFeatures?: string;
    };
  };
}
