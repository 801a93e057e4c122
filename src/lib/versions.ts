import { HalError } from "./errors.js";

/** A version such as edk2's `2025.02` or QEMU's `10.0.2`, without its Debian revision. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  /** Absent in a text such as `10.0`, which means the last release of that series. */
  readonly patch?: number;
  readonly text: string;
}

/**
 * Parses a version such as `2025.02-8+deb13u1` or `10.0.2`.
 * @param what the name of the setting, for the error
 * @throws HalError "input" for any other text
 */
export function parseVersion(text: string, what: string): Version {
  const match = /^(?:\d+:)?(\d{1,4})\.(\d{1,3})(?:\.(\d{1,3}))?(?:[.~+-].*)?$/.exec(text);
  if (match === null) {
    throw new HalError("input", `${what}: '${text}' is not a version`, {
      remedy: "write major and minor number, such as 10.0 for QEMU or 2025.02 for edk2",
    });
  }
  const patch = match[3] === undefined ? {} : { patch: Number(match[3]) };
  return { major: Number(match[1]), minor: Number(match[2]), ...patch, text };
}

/** Whether a version is `major.minor` or later. */
export function atLeast(version: Version, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
