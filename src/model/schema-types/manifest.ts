// Generated from schema/ by `npm run generate`. Do not edit.
import type { PlatformName } from "./common.js";
import type { Layout } from "./layout.js";

/** manifest.json lists the artifacts of a build with their digests, and all inputs of the build. */
export interface Manifest {
  /** The version of the file format. */
  schema: "hal.manifest/v1";
  /** The name of the profile. */
  profile: string;
  /** The TEE, or `none` for development. */
  platform: PlatformName;
  /** The name of the layout. */
  layout: string;
  /** The promises of the image. `hal test` checks them in a running guest. */
  promises?: {
    /** The init system. */
    init: "systemd" | "busybox";
    /** Whether the image has an SSH server. */
    ssh: boolean;
    /**
     * Code of the host's ACPI tables. `blocked`: the kernel keeps it out of the guest's memory. `runs`: the kernel runs the main table, and only registers that cover the tables show it.
     */
    hostAml: "blocked" | "runs";
    /** The layout of the build, with the profile's `layoutOptions` applied. */
    layout: Layout;
  };
  /** The backend that built kernel and root filesystem. */
  backend: "buildroot" | "debian";
  /** A debug image has a console and a root login without a password. Do not trust it. */
  debug: boolean;
  /** The time stamp in all artifacts, in seconds since 1970. */
  sourceDateEpoch: number;
  /** Features that the backend omitted, as the profile allows. */
  omitted: string[];
  /**
   * Weaknesses of the image that the profile accepts. `host-aml`: code of the host's ACPI tables can write to the guest's memory, and no register covers the tables.
   */
  accepted?: "host-aml"[];
  /** The version of hal. */
  hal: string;
  /** The inputs of the build. */
  inputs: {
    /** The SHA-256 digest of all inputs. Equal digests give equal images. */
    digest: string;
    /** The SHA-256 digest of the rendered external tree. */
    tree: string;
    /** Each file of the rendered external tree with its SHA-256 digest. */
    files: string[][];
    /** The inputs of the backend, such as suite, snapshot, Buildroot version and overrides. */
    details: {};
  };
  /** The packages of the image. */
  packages: {
    /** The name of the package. */
    name: string;
    /** The version of the package. */
    version: string;
    /** The SHA-256 digest of the package or the source archive. */
    sha256?: string;
    /** The source package or the download address. */
    source?: string;
    /** The licences that the package declares. */
    license?: string;
  }[];
  /** The files of the image directory, except manifest.json and build.log. */
  artifacts: {
    /** The name of the file. */
    name: string;
    /** The size in bytes. */
    size: number;
    /** The SHA-256 digest in lower-case hex, of the whole file or of its `data`. */
    sha256: string;
    /**
     * Only for a disk image larger than 16 GiB: the ranges that `sha256` covers, one after the other. Each range is an offset and a length in bytes. All other bytes of the file are zero.
     */
    data?: number[][];
  }[];
}
