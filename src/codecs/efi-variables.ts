import { HalError } from "../lib/errors.js";
import { firmwarePackages } from "../model/firmware-packages.js";

/** gEfiAuthenticatedVariableGuid (edk2 MdeModulePkg/Include/Guid/VariableFormat.h), as it lies in memory. */
const STORE = Buffer.from("782cf3aa7b949a43a1802e144ec37792", "hex");
const STORE_HEADER = 28;
/** AUTHENTICATED_VARIABLE_HEADER, packed. */
const HEADER = 60;
const START = 0x55aa;
const ADDED = 0x3f;
const NON_VOLATILE_BOOT_RUNTIME = 7;
/** 8cf2644b-4b0b-428f-9387-6d876050dc67, systemd's own vendor GUID. */
const SYSTEMD = Buffer.from("4b64f28c0b4b8f4293876d876050dc67", "hex");

/** OVMF whose empty variable store has the variable SystemdOptions: kernel parameters for systemd alone (systemd(1), "Kernel command line"). */
export function withSystemdOptions(firmware: Buffer, options: string): Buffer {
  const store = firmware.indexOf(STORE);
  const at = store + STORE_HEADER;
  if (store < 0 || firmware.readUInt16LE(at) === START)
    throw new HalError("input", "has no empty store of EFI variables", { at: { file: firmwarePackages.ovmf.path } });
  const name = Buffer.from("SystemdOptions\0", "utf16le");
  const data = Buffer.from(`${options}\0`, "utf16le");
  const header = Buffer.alloc(HEADER);
  header.writeUInt16LE(START, 0);
  header.writeUInt8(ADDED, 2);
  header.writeUInt32LE(NON_VOLATILE_BOOT_RUNTIME, 4);
  header.writeUInt32LE(name.length, 36);
  header.writeUInt32LE(data.length, 40);
  SYSTEMD.copy(header, 44);
  const changed = Buffer.from(firmware);
  Buffer.concat([header, name, data]).copy(changed, at);
  return changed;
}
