// Generated from schema/ by `npm run generate`. Do not edit.

/** A TEE, or none. */
export type Platform = "sev-snp" | "sev" | "tdx" | "nitro" | "none";

/** Who reports a register: a platform, SEV with encrypted state (sev-es), or a vTPM. */
export type MeasuredPlatform = "sev" | "sev-es" | "sev-snp" | "tdx" | "vtpm" | "nitro";

/**
 * Kconfig symbols and their values. 'y', 'm' and 'n' (or true and false) are tristates, numbers are numbers, any other text is a string.
 */
export interface Kconfig {
  [k: string]: string | number | boolean;
}

/** One file in the image, from a file beside this YAML or from text given here, or a symbolic link. */
export interface File {
  /** Absolute path inside the image, without '..', '.' or empty parts. */
  path: string;
  /** Path on the build host; a relative one is relative to the file that names it. */
  source?: string;
  /** The file's text. */
  content?: string;
  /** Where a symbolic link leads, inside the image; a link has no mode and no owner of its own. */
  link?: string;
  /** Octal file mode, quoted: "0644". */
  mode: string;
  /** A user or group name, or a number. */
  owner: string;
  /** A user or group name, or a number. */
  group: string;
}

/** One user account. */
export interface User {
  /** Login name. */
  name: string;
  /** User id; fixed, so that images repeat. */
  uid: number;
  /** Group id of the user's own group; the user id when not given. */
  gid?: number;
  /** Further groups. */
  groups: string[];
  /** Home directory; none when not given. */
  home?: string;
  /** Login shell. */
  shell: string;
  /** Password as crypt(5) text; locked when not given. Plain text is refused: it would get a new salt at every build. */
  password?: string;
}

/** One systemd unit. */
export interface Unit {
  /** A systemd unit's file name. */
  name: string;
  /** Path on the build host; a relative one is relative to the file that names it. */
  source?: string;
  /** The unit's text. */
  content?: string;
  /** Start it at boot, as its [Install] section says. */
  enable: boolean;
}
