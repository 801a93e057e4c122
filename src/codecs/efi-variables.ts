import { HalError } from "../lib/errors.js";
import { guidBytes } from "../lib/guid.js";

/** gEfiAuthenticatedVariableGuid, the signature of a variable store (edk2 MdeModulePkg/Include/Guid/VariableFormat.h). */
const storeGuid = guidBytes("aaf32c78-947b-439a-a180-2e144ec37792");
const storeHeaderSize = 28;
/** The fields of AUTHENTICATED_VARIABLE_HEADER (same file), which is packed. */
const header = { size: 60, startId: 0, state: 2, attributes: 4, nameSize: 36, dataSize: 40, vendor: 44 } as const;
const startId = 0x55aa;
/** VAR_ADDED: the variable is valid. */
const added = 0x3f;
const nonVolatileBootAndRuntime = 7;
/** EFI_VENDOR_SYSTEMD (systemd src/basic/efivars.h). */
const systemdGuid = guidBytes("8cf2644b-4b0b-428f-9387-6d876050dc67");

/**
 * A copy of an OVMF file in which the empty variable store holds the variable SystemdOptions. systemd reads it as
 * additional kernel parameters (systemd(1), "Kernel command line"). Throws a kind "input" error for a file without an empty
 * store.
 * @param file the name of the file, for errors
 */
export function withSystemdOptions(firmware: Buffer, options: string, file: string): Buffer {
  const store = firmware.indexOf(storeGuid);
  const start = store + storeHeaderSize;
  if (store < 0 || firmware.readUInt16LE(start) === startId)
    throw new HalError("input", "contains no empty store of EFI variables", { at: { file } });
  const name = Buffer.from("SystemdOptions\0", "utf16le");
  const data = Buffer.from(`${options}\0`, "utf16le");
  const variable = Buffer.alloc(header.size);
  variable.writeUInt16LE(startId, header.startId);
  variable.writeUInt8(added, header.state);
  variable.writeUInt32LE(nonVolatileBootAndRuntime, header.attributes);
  variable.writeUInt32LE(name.length, header.nameSize);
  variable.writeUInt32LE(data.length, header.dataSize);
  systemdGuid.copy(variable, header.vendor);
  const changed = Buffer.from(firmware);
  Buffer.concat([variable, name, data]).copy(changed, start);
  return changed;
}
