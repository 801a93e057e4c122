// Generated from schema/ by `npm run generate`. Do not edit.

/** The TEE, or `none` for development. */
export type PlatformName = "sev-snp" | "sev" | "tdx" | "nitro" | "none";

/** The platform that reports a register. `sev-es` is SEV with encrypted state; `vtpm` is a virtual TPM. */
export type MeasuredPlatform = "sev" | "sev-es" | "sev-snp" | "tdx" | "vtpm" | "nitro";

/**
 * Kconfig symbols and their values. `y`, `m`, `n`, `true` and `false` are tristate values. Numbers stay numbers; any other text becomes a string.
 */
export interface Kconfig {
  [k: string]: string | number | boolean;
}

/** A file of the image: a copy (`source`), a text (`content`) or a symbolic link (`link`). */
export interface File {
  /** An absolute path inside the image, without `.`, `..` or empty parts. */
  path: string;
  /** A path on the build host. A relative path is relative to the file that contains it. */
  source?: string;
  /** The text of the file. */
  content?: string;
  /** The target of a symbolic link, inside the image. A link has no mode and no owner. */
  link?: string;
  /** The file mode, octal and in quotes: "0644". */
  mode: string;
  /** The name or the number of a user or group. */
  owner: string;
  /** The name or the number of a user or group. */
  group: string;
}

/** A user account. */
export interface User {
  /** The login name. */
  name: string;
  /** The user ID. It is fixed so that builds are reproducible. */
  uid: number;
  /** The ID of the user's own group. By default, the user ID. */
  gid?: number;
  /** Additional groups of the user. */
  groups: string[];
  /** The home directory. By default, the user has none. */
  home?: string;
  /** The login shell. */
  shell: string;
  /**
   * The password as a crypt(5) hash. By default, the password is locked. Plain text is refused, because each build would choose a new salt.
   */
  password?: string;
}

/** A systemd unit: a copy of a file (`source`) or a text (`content`). */
export interface Unit {
  /** The file name of a systemd unit, such as `agent.service`. */
  name: string;
  /** A path on the build host. A relative path is relative to the file that contains it. */
  source?: string;
  /** The text of the unit. */
  content?: string;
  /** Start the unit at boot, as its [Install] section defines. */
  enable: boolean;
}
