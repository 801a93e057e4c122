// Generated from schema/ by `npm run generate`. Do not edit.
import type { File, Kconfig, Unit, User } from "./common.js";

/** A feature is a named set of packages, files and kernel options for both backends. A profile lists its features by name. */
export interface Feature {
  /** The version of the file format. */
  apiVersion: "hal/v1";
  /** The kind of the file. */
  kind: "Feature";
  /** The name: lower-case letters, digits and dashes. The file has the same name. */
  name: string;
  /** One line for `hal list`. */
  description: string;
  /** What a profile must have to use this feature. */
  requires: {
    /** The required init system. */
    init?: "systemd" | "busybox";
    /** The required features. */
    features: string[];
  };
  /** The feature's part in the buildroot backend. */
  buildroot: {
    /**
     * Kconfig symbols and their values. `y`, `m`, `n`, `true` and `false` are tristate values. Numbers stay numbers; any other text becomes a string.
     */
    config: Kconfig;
    /** Buildroot versions that cannot provide the feature, each with the reason. */
    unavailable: {
      [k: string]: string;
    };
  };
  /** The feature's part in the debian backend. */
  debian: {
    /** Names of Debian packages, without a version, and without the `+` or `-` with which apt installs or removes a package. */
    packages: string[];
    /** The kernel flavour that the feature needs. `generic` has priority over `cloud`. */
    kernel?: "cloud" | "generic";
    /** The reason why Debian cannot provide the feature. A profile with the feature must then list it in `backends.debian.omit`. */
    unavailable?: string;
  };
  /** The kernel options and modules that the feature needs. */
  kernel: {
    /**
     * Kconfig symbols and their values. `y`, `m`, `n`, `true` and `false` are tristate values. Numbers stay numbers; any other text becomes a string.
     */
    config: Kconfig;
    /** Kernel modules to load before early boot disables module loading. A module that is built into the kernel is skipped. */
    modules: string[];
  };
  /** Directories to copy over the root filesystem, in order. */
  overlays: string[];
  /** Files to add to the root filesystem. */
  files: File[];
  /** User accounts to add. */
  users: User[];
  /** systemd units to add. */
  units: Unit[];
  /** Units of packages to start at boot. */
  enable: string[];
}
