import type { Profile } from "./generated.js";

export type FirmwarePackage = NonNullable<NonNullable<Profile["launch"]["firmware"]>["package"]>;

interface PackagedFirmware {
  /** The firmware file with code and variables in one. It can boot a kernel directly. */
  readonly path: string;
  /**
   * The first Debian suite whose package supports SEV-SNP or TDX. The `ovmf` of stable supports both.
   * Only unstable contains the other two packages.
   */
  readonly suite: string;
}

/** The Debian packages that contain OVMF. */
export const firmwarePackages: Readonly<Record<FirmwarePackage, PackagedFirmware>> = {
  ovmf: { path: "/usr/share/ovmf/OVMF.fd", suite: "trixie" },
  "ovmf-amdsev": { path: "/usr/share/ovmf/OVMF.amdsev.fd", suite: "sid" },
  "ovmf-inteltdx": { path: "/usr/share/ovmf/OVMF.inteltdx.ms.fd", suite: "sid" },
};
