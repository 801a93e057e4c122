// Generated from schema/ by `npm run generate`. Do not edit.
import type { File, Kconfig, PlatformName, Unit, User } from "./common.js";
import type { LaunchSettings } from "./launch-settings.js";

/** A profile describes one image. */
export interface Profile {
  /** The version of the file format. */
  apiVersion: "hal/v1";
  /** The kind of the file. */
  kind: "Profile";
  /** The name: lower-case letters, digits and dashes. The file has the same name. */
  name: string;
  /** One line for `hal list`. */
  description: string;
  /** The profile cannot be built; other profiles extend it. */
  abstract: boolean;
  /**
   * The parents of the profile, applied in order before this file. Maps merge and lists append; the tag `!replace` replaces the inherited value.
   */
  extends?: string | string[];
  /** The TEE of the image, or `none` for development. */
  platform?: PlatformName;
  /** The name of a layout, or the path of its YAML file. */
  layout?: string;
  /** Values of the layout to change in this profile. */
  layoutOptions: {
    /** The size of the root filesystem. */
    rootSize?: string;
    /** The size of the encrypted read-write partition. */
    rwSize?: string;
    /** The size of the encrypted swap partition. */
    swapSize?: string;
    /** Authenticated encryption of the read-write partition. */
    integrity?: "none" | "hmac-sha256";
    /** Allow running programs from the read-write partition. */
    rwExec?: boolean;
  };
  /** The features of the image: names, or paths of YAML files. */
  features: string[];
  /** The init system. */
  init: "systemd" | "busybox";
  /**
   * `direct`: the launcher loads kernel and initrd. `uki`: the firmware boots a unified kernel image from the EFI system partition of the disk.
   */
  boot: "direct" | "uki";
  /** The host name: lower-case letters, digits and dashes. */
  hostname: string;
  /** The time stamp in all outputs, in seconds since 1970 (SOURCE_DATE_EPOCH). */
  sourceDateEpoch: number;
  /** The kernel. */
  kernel: {
    /** The Linux version that the buildroot backend compiles. */
    version: string;
    /** The SHA-256 digest of linux-VERSION.tar.xz. */
    sha256?: string;
    /** Your own kernel source archive, used instead of the official one. */
    tarball?: string;
    /**
     * Kconfig symbols and their values. `y`, `m`, `n`, `true` and `false` are tristate values. Numbers stay numbers; any other text becomes a string.
     */
    config: Kconfig;
    /** Kernel configuration fragments, applied in order. */
    fragments: string[];
    /** Kernel modules to load before early boot disables module loading. A module that is built into the kernel is skipped. */
    modules: string[];
    /** Kernel parameters, in order. hal adds the parameters of the layout. */
    cmdline: string[];
  };
  /** Settings of the buildroot backend. */
  buildroot: {
    /** The Buildroot release. */
    version: string;
    /** The Git commit of the release's tag. */
    commit: string;
    /**
     * Kconfig symbols and their values. `y`, `m`, `n`, `true` and `false` are tristate values. Numbers stay numbers; any other text becomes a string.
     */
    config: Kconfig;
    /** `internal`: Buildroot compiles a toolchain. `bootlin`: Buildroot downloads a toolchain from Bootlin. A map: your own toolchain. */
    toolchain:
      | ("internal" | "bootlin")
      | {
          /** The directory of the toolchain. A relative path is relative to the file that contains it. */
          external: string;
          /** The prefix of the compiler, without the last dash. */
          prefix: string;
          /** The major version of its GCC. */
          gcc: number;
          /** The series of its kernel headers. */
          headers: string;
          /**
           * Kconfig symbols and their values. `y`, `m`, `n`, `true` and `false` are tristate values. Numbers stay numbers; any other text becomes a string.
           */
          config: Kconfig;
        };
    /** Packages to build from your own source directory (OVERRIDE_SRCDIR). */
    overrides: {
      /** A path on the build host. A relative path is relative to the file that contains it. */
      [k: string]: string;
    };
    /** Your own makefile, included as BR2_PACKAGE_OVERRIDE_FILE. */
    localMk?: string;
    /**
     * The address that Buildroot tries first for downloads (BR2_PRIMARY_SITE). A `file://` address has an absolute path without `.`, `..`, `%` or empty parts.
     */
    primarySite?: string;
  };
  /** Settings of the debian backend. */
  debian: {
    /** The Debian suite. */
    suite: string;
    /** The state of the archive to build from: a time stamp of Debian's snapshot service, such as `20260101T000000Z`. */
    snapshot?: string;
    /**
     * The address of the archive. By default, the apt sources of the host, or else Debian's mirror. A `file://` address has an absolute path without `.`, `..`, `%` or empty parts.
     */
    mirror?: string;
    /** Names of Debian packages, without a version, and without the `+` or `-` with which apt installs or removes a package. */
    packages: string[];
    /** The kernel flavour. */
    kernel: "cloud" | "generic";
  };
  /** Features that a backend may omit, by backend. */
  backends: {
    /** Features that the debian backend may omit. */
    debian: {
      /** Names of these features. Every output records them. */
      omit: string[];
    };
  };
  /** Directories to copy over the root filesystem, in order. */
  overlays: string[];
  /** Files to add to the root filesystem. */
  files: File[];
  /** User accounts to add. */
  users: User[];
  /** systemd units. */
  services: {
    /** Your own units. */
    units: Unit[];
    /** Units of packages to start at boot. */
    enable: string[];
    /** Units of packages that must not start at boot. */
    disable: string[];
  };
  /** Add an SSH server. */
  ssh: boolean;
  /**
   * Weaknesses that a release may have. `host-aml`: code of the host's ACPI tables can write to the guest's memory, and no register covers the tables.
   */
  accept: "host-aml"[];
  /** Enable the console and a root login without a password. Every output records it, and `hal build --release` refuses it. */
  debug: boolean;
  /** How the image is started. */
  launch: LaunchSettings;
}
