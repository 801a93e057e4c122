// Generated from schema/ by `npm run generate`. Do not edit.
import type { File, Kconfig, Unit, User } from "./common.js";

/** A named bundle of contents, for both backends. */
export interface Feature {
  /** Version of this file's format. */
  apiVersion: "hal/v1";
  kind: "Feature";
  /** Lower-case name; the file has the same name. */
  name: string;
  /** One line for `hal list`. */
  description: string;
  /** What a profile must have for this feature to work. */
  requires: {
    /** The init system. */
    init?: "systemd" | "busybox";
    /** Other features. */
    features: string[];
  };
  /** What the buildroot backend needs. */
  buildroot: {
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: Kconfig;
    /** Buildroot versions that lack the feature, and why. */
    unavailable: {
      [k: string]: string;
    };
  };
  /** What the debian backend needs. */
  debian: {
    /** Debian packages. */
    packages: string[];
    /** The kernel flavour that has what the feature needs; generic wins over cloud. */
    kernel?: "cloud" | "generic";
    /** Why Debian cannot provide the feature. A profile that uses it must name it in backends.debian.omit. */
    unavailable?: string;
  };
  /** What the feature needs of the kernel. */
  kernel: {
    /**
     * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
     */
    config: Kconfig;
    /** Modules to load before module loading is switched off, where the kernel has them as modules. */
    modules: string[];
  };
  /** File trees. */
  overlays: string[];
  /** Single files. */
  files: File[];
  /** User accounts. */
  users: User[];
  /** systemd units. */
  units: Unit[];
  /** Units of packages to start at boot. */
  enable: string[];
}
