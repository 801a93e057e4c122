// Generated from schema/ by `npm run generate`. Do not edit.
import type { File, Kconfig, Platform, Unit, User } from "./common.js";
import type { LaunchSettings } from "./launch-settings.js";

/** What one image is. */
export interface Profile {
  /** Version of this file's format. */
  apiVersion: "hal/v1";
  kind: "Profile";
  /** Lower-case name; the file has the same name. */
  name: string;
  /** One line for `hal list`. */
  description: string;
  /** Only for other profiles to extend; cannot be built. */
  abstract: boolean;
  /**
   * Parents, applied in order before this file: maps merge, lists append; a value tagged !replace stands instead of the inherited one.
   */
  extends?: string | string[];
  /** The TEE that the image runs on; none for development. */
  platform?: Platform;
  /** A layout's name, or a path to its YAML file. */
  layout?: string;
  /** Values of the layout that this profile changes. */
  layoutOptions: {
    /** Size of the root filesystem. */
    rootSize?: string;
    /** Size of the encrypted read-write partition. */
    rwSize?: string;
    /** Size of the encrypted swap partition. */
    swapSize?: string;
    /** Authentication of the read-write partition. */
    integrity?: "none" | "hmac-sha256";
  };
  /** Features, by name or by path to a YAML file. */
  features: string[];
  /** The init system. */
  init: "systemd" | "busybox";
  /** direct: the launcher loads kernel and initrd. uki: the disk has a unified kernel image on an EFI system partition. */
  boot: "direct" | "uki";
  /** The image's host name. */
  hostname: string;
  /** The one point in time in every output, in seconds since 1970 (SOURCE_DATE_EPOCH). */
  sourceDateEpoch: number;
  /** The kernel. */
  kernel: {
    /** Linux version that the buildroot backend compiles. */
    version: string;
    /** SHA-256 of linux-VERSION.tar.xz. */
    sha256?: string;
    /** A kernel source archive of your own instead of the official one. */
    tarball?: string;
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: Kconfig;
    /** Kernel configuration fragments, applied in order. */
    fragments: string[];
    /** Modules to load before module loading is switched off, where the kernel has them as modules. */
    modules: string[];
    /** Kernel parameters, in order. hal adds what the layout needs. */
    cmdline: string[];
  };
  /** The buildroot backend. */
  buildroot: {
    /** Buildroot release. */
    version: string;
    /** Git commit of that release's tag. */
    commit: string;
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: Kconfig;
    /** internal: Buildroot compiles it. bootlin: a prebuilt one that Buildroot downloads. external: one of yours. */
    toolchain:
      | ("internal" | "bootlin")
      | {
          /** Path on the build host; a relative one is relative to the file that names it. */
          external: string;
          /** The compiler's prefix, without the last dash. */
          prefix: string;
          /** Major version of its gcc. */
          gcc: number;
          /** Series of its kernel headers. */
          headers: string;
          /**
           * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
           */
          config: Kconfig;
        };
    /** Packages built from a source tree of yours (OVERRIDE_SRCDIR). */
    overrides: {
      /** Path on the build host; a relative one is relative to the file that names it. */
      [k: string]: string;
    };
    /** A make file of yours, included as BR2_PACKAGE_OVERRIDE_FILE. */
    localMk?: string;
    /** Where downloads are looked for first. */
    primarySite?: string;
  };
  /** The debian backend. */
  debian: {
    /** Debian suite. */
    suite: string;
    /** State of the archive to build from, a time stamp of the snapshot service. */
    snapshot?: string;
    /** Archive to use; the host's own apt sources, else Debian's, when not given. */
    mirror?: string;
    /** Debian packages. */
    packages: string[];
    /** Kernel flavour. */
    kernel: "cloud" | "generic";
  };
  /** What a backend may leave out of this profile. */
  backends: {
    debian: {
      /** Features that the debian backend leaves out; recorded in every output. */
      omit: string[];
    };
  };
  /** File trees that are copied over the root, in order. */
  overlays: string[];
  /** Single files in the root. */
  files: File[];
  /** User accounts. */
  users: User[];
  /** systemd units. */
  services: {
    /** Units of your own. */
    units: Unit[];
    /** Units of packages to start at boot. */
    enable: string[];
    /** Units of packages that must not start. */
    disable: string[];
  };
  /** An SSH server. */
  ssh: boolean;
  /** Console and root login without a password. Marked in every output and refused by `hal build --release`. */
  debug: boolean;
  /** How the image is started. */
  launch: LaunchSettings;
}
