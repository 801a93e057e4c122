import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { withSystemdOptions } from "../../codecs/efi-variables.js";
import { firmwarePackages } from "../../model/firmware-packages.js";
import { type HostileCase, qemuPath } from "./case.js";

/** Settings that firmware passes to the guest. */
export const firmwareCases: readonly HostileCase[] = [
  {
    name: "efi-variables",
    what: "the EFI variable SystemdOptions with kernel parameters for systemd: must be ignored",
    expected: "works",
    tool: firmwarePackages.ovmf.path,
    damage: async (_image, _disk, scratch) => {
      const flash = join(resolve(scratch), "flash");
      await writeFile(
        flash,
        withSystemdOptions(await readFile(firmwarePackages.ovmf.path), "systemd.setenv=HAL_PROOF=taken", firmwarePackages.ovmf.path),
      );
      return { qemuArgs: ["-drive", `if=pflash,unit=0,format=raw,file=${qemuPath(flash)}`] };
    },
  },
];
