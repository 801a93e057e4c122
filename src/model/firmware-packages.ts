import type { Profile } from "./generated.js";

export type FirmwarePackage = NonNullable<NonNullable<Profile["launch"]["firmware"]>["package"]>;

interface PackagedFirmware {
  /** The file that boots a kernel directly: code and variables in one. */
  readonly path: string;
  /** The first suite that has it. Stable's `ovmf` has the metadata of both TEEs; the special builds are in unstable. */
  readonly suite: string;
}

/** Debian's packages of OVMF. */
export const firmwarePackages: Readonly<Record<FirmwarePackage, PackagedFirmware>> = {
  ovmf: { path: "/usr/share/ovmf/OVMF.fd", suite: "trixie" },
  "ovmf-amdsev": { path: "/usr/share/ovmf/OVMF.amdsev.fd", suite: "sid" },
  "ovmf-inteltdx": { path: "/usr/share/ovmf/OVMF.inteltdx.ms.fd", suite: "sid" },
};
