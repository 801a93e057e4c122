import { HalError } from "./errors.js";

/** A version: edk2's `2025.02`, QEMU's `10.0.2`; a Debian revision does not matter here. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  /** Absent where it is not said: then the last of its series is meant. */
  readonly patch?: number;
  readonly text: string;
}

/** Reads `2025.02-8+deb13u1`, `10.0.2`, …; `what` names the setting in the kind "input" error. */
export function parseVersion(text: string, what: string): Version {
  const match = /^(?:\d+:)?(\d{1,4})\.(\d{1,3})(?:\.(\d{1,3}))?(?:[.~+-].*)?$/.exec(text);
  if (match === null) {
    throw new HalError("input", `${what}: '${text}' is not a version`, {
      remedy: "give major and minor number, like 10.0 for QEMU or 2025.02 for edk2",
    });
  }
  const patch = match[3] === undefined ? {} : { patch: Number(match[3]) };
  return { major: Number(match[1]), minor: Number(match[2]), ...patch, text };
}

/** Whether a version is `major.minor` or later. */
export function atLeast(version: Version, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
