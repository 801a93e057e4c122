// Generated from schema/ by `npm run generate`. Do not edit.
import type { MeasuredPlatform, PlatformName } from "./common.js";

export interface Artifact {
  /** The name of a file in the directory of launch.json. */
  path: string;
  /** The size in bytes. */
  size: number;
  /** A SHA-256 digest in lower-case hex. */
  sha256: string;
}

/**
 * launch.json contains everything that is needed to start an image, except what the launcher gives: directories, sockets, and firmware that did not exist at build time. It names only files of its own directory.
 */
export interface Launch {
  /** The version of the file format. */
  schema: "hal.launch/v1";
  /** The name of the profile. */
  profile: string;
  /** The TEE, or `none` for development. */
  platform: PlatformName;
  /** The backend that built kernel and root filesystem. */
  backend?: "buildroot" | "debian";
  /** The image has a console and a root login without a password. Do not trust it. */
  debug: boolean;
  /** `direct`: the launcher loads kernel and initrd. `disk`: the firmware boots from the disk. `enclave`: the launcher loads the EIF. */
  boot: "direct" | "disk" | "enclave";
  /** The QEMU machine. */
  machine: {
    /** The machine type. */
    type: string;
    /** The machine options, with QEMU's names. */
    options: {
      [k: string]: string;
    };
    /** Do not create QEMU's default devices. */
    nodefaults?: boolean;
    /** Stop when the guest requests a reboot, because a TEE cannot be reset. */
    noReboot?: boolean;
  };
  /** The virtual CPUs. */
  cpu: {
    /** The QEMU CPU model. */
    model: string;
    /** The number of CPUs. */
    count: number;
    /** The maximum number of CPUs for hotplug. */
    max?: number;
    /** The CPU topology. */
    topology?: {
      /** The number of sockets. */
      sockets: number;
      /** The number of cores of a socket. */
      cores: number;
      /** The number of threads of a core. */
      threads: number;
    };
  };
  /** The RAM. */
  memory: {
    /** A size in bytes, or with a binary unit: `512M`, `8G`. */
    size: string;
    /** The size in bytes, as a number. */
    bytes: number;
    /** The number of slots for hotplug. */
    slots?: number;
    /** The maximum size for hotplug. */
    max?: string;
    /** The memory backend: a memfd, which private guest memory needs. */
    backend?: {
      /** The ID in the QEMU command line. */
      id: string;
      /** The options, with QEMU's names. */
      options: {
        [k: string]: boolean;
      };
    };
  };
  /** The firmware. Without this key, QEMU uses its own firmware. */
  firmware?: {
    /** `bios`: one file in RAM. `pflash`: flash with a variable store. `igvm`: an IGVM file that contains the firmware. */
    kind: "bios" | "pflash" | "igvm";
    /** The name of a file in the directory of launch.json, or a placeholder for a file that the launcher gives. */
    path: string;
    /** The SHA-256 digest of the file. The key is missing when the launcher gives the file. */
    sha256?: string;
    /** The Debian package that contains the firmware. */
    package?: string;
    /** The version of the package. */
    packageVersion?: string;
    /** The template of the variable store. */
    vars?: {
      /** The name of a file in the directory of launch.json, or a placeholder for a file that the launcher gives. */
      path: string;
      /** A SHA-256 digest in lower-case hex. */
      sha256?: string;
    };
  };
  /** The kernel. */
  kernel?: Artifact;
  /** The initial RAM filesystem. */
  initrd?: Artifact;
  /** The enclave image. */
  eif?: Artifact;
  /** The kernel command line. It is part of the image unless `boot` is `direct`. */
  cmdline: string;
  /** The disks: SCSI disks on a virtio controller. */
  drives: {
    /** The ID in the QEMU command line. */
    id: string;
    /** The name of a file in the directory of launch.json. */
    path: string;
    /** The size in bytes. */
    size: number;
    /**
     * The SHA-256 digest of the disk in manifest.json, in lower-case hex. For a disk larger than 16 GiB, manifest.json lists the ranges that the digest covers.
     */
    sha256: string;
    /** The image format. Other formats can name further files. */
    format: "raw";
    /** Discard the guest's writes when it stops. */
    snapshot: boolean;
  }[];
  /** The options of the virtio disk controller and network card, with QEMU's names. */
  virtio?: {
    /** Support only virtio 1.0. */
    "disable-legacy"?: boolean;
    /** Use only shared memory for DMA. */
    iommu_platform?: boolean;
  };
  /** The network card on QEMU's user network. */
  net?: {
    /** The ID in the QEMU command line. */
    id: string;
    /** Whether the card has a boot ROM. */
    rom?: boolean;
    /** TCP ports of the host that are forwarded to the guest. */
    forwards: {
      /** The port on the host. */
      host: number;
      /** The port in the guest. */
      guest: number;
    }[];
  };
  /** The vsock device. */
  vsock?: {
    /** The guest's context ID. */
    cid: number;
  };
  /** Directories of the host that the guest can mount. The launcher gives the directories. */
  shares: {
    /** The mount tag. */
    tag: string;
    /** The protocol. */
    type: "9p" | "virtiofs";
    /** The name of the variable for the directory (`9p`) or the socket of its virtiofsd (`virtiofs`), which the launcher gives. */
    variable: string;
  }[];
  /** The QEMU monitors. A Unix socket has a name without a directory. */
  monitors: string[];
  /** The TEE and its parameters. */
  tee?: {
    /** The TEE, or `none` for development. */
    type: PlatformName;
    /** The ID in the QEMU command line. */
    id: string;
    /** SEV: the position of the C-bit in a page table entry. */
    cbitpos?: number;
    /** SEV: the number of physical address bits that memory encryption uses. */
    reducedPhysBits?: number;
    /** SEV: the guest policy. */
    policy?: string;
    /** SEV: the launch digest contains hashes of kernel, initrd and command line. */
    kernelHashes?: boolean;
    /** SEV-SNP: the SEV_FEATURES of the VMSA. The host's kernel sets them, and the launch digest depends on them. */
    guestFeatures?: string;
    /** SEV-SNP: HOST_DATA, 32 bytes in base64. */
    hostData?: string;
    /** SEV-SNP: the ID block, 96 bytes in base64. */
    idBlock?: string;
    /** SEV-SNP: the ID authentication information, 4096 bytes in base64. */
    idAuth?: string;
    /** SEV-SNP: an author key signs the ID key. */
    authorKeyEnabled?: boolean;
    /** TDX: the vsock address of the quote generation service. */
    quoteGenerationSocket?: {
      /** The context ID. */
      cid: number;
      /** The port. */
      port: number;
    };
  };
  /** The words in `argv` that the launcher replaces. */
  placeholders: {
    /** The word in `argv`: `${NAME}`. */
    word: string;
    /** The meaning of the word. */
    means: string;
  }[];
  /** The command as a list of arguments. It runs in the directory of launch.json. */
  argv: string[];
  /** The reference measurements of this launch. */
  measurements: {
    /** The file with the values. */
    file: "measurements.json";
    /** The registers of this launch, by platform. */
    values: {
      /** The platform that reports a register. `sev-es` is SEV with encrypted state; `vtpm` is a virtual TPM. */
      platform: MeasuredPlatform;
      /** As in measurements.json. */
      registers: string[];
    }[];
    /** The configuration that the values are valid for. */
    holdsFor: {
      /** A SHA-256 digest in lower-case hex. */
      firmware?: string;
      /** The virtual CPUs. */
      vcpus?: number;
      /** The CPU model. */
      cpuModel?: string;
      /** The RAM in bytes. */
      memory?: number;
      /** The SEV_FEATURES of the VMSA. */
      guestFeatures?: string;
    };
  };
}
