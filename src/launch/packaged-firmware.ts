import type { Profile } from "../model/generated.js";

export type FirmwarePackage = NonNullable<NonNullable<Profile["launch"]["firmware"]>["package"]>;

/** Where Debian's packages have the firmware that boots a kernel directly: code and variables in one file. */
export const packagedFirmware: Readonly<Record<FirmwarePackage, string>> = {
  ovmf: "/usr/share/ovmf/OVMF.fd",
  "ovmf-amdsev": "/usr/share/ovmf/OVMF.amdsev.fd",
  "ovmf-inteltdx": "/usr/share/ovmf/OVMF.inteltdx.ms.fd",
};
