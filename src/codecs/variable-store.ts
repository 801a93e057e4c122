import { guidBytes } from "../lib/guid.js";

/** EFI_SYSTEM_NV_DATA_FV_GUID of a firmware volume with variables (edk2 MdeModulePkg/Include/Guid/SystemNvDataGuid.h). */
const volumeGuid = guidBytes("fff12b8d-7696-4c8b-a985-2747075b4f50");
/** EFI_AUTHENTICATED_VARIABLE_GUID of the store in it (edk2 MdeModulePkg/Include/Guid/VariableFormat.h). */
const storeGuid = guidBytes("aaf32c78-947b-439a-a180-2e144ec37792");
/** Signature of the working block for fault tolerant writes (edk2 MdeModulePkg/Include/Guid/SystemNvDataGuid.h). */
const workingBlockGuid = guidBytes("9e58292b-7c68-497d-a0ce-6500fd9f1b95");

/** Bytes of VARIABLE_STORE_HEADER, and of EFI_FAULT_TOLERANT_WORKING_BLOCK_HEADER. */
const STORE_HEADER = 28;
const WORKING_HEADER = 32;

/**
 * Whether an EFI variable store, as OVMF_VARS.fd, contains no variable: after the headers of volume, store and working block, every byte
 * is that of erased flash. The spare area must be erased too, because firmware can restore variables from it.
 */
export function isBlankStore(store: Uint8Array): boolean {
  const bytes = Buffer.from(store.buffer, store.byteOffset, store.length);
  const erased = (from: number, to: number): boolean => bytes.subarray(from, to).every((byte) => byte === 0xff);
  if (bytes.length < 4096 || !bytes.subarray(16, 32).equals(volumeGuid)) return false;
  const header = bytes.readUInt16LE(48); // EFI_FIRMWARE_VOLUME_HEADER, HeaderLength (PI 1.7, volume 3, section 3.2.1)
  if (header + STORE_HEADER > bytes.length || !bytes.subarray(header, header + 16).equals(storeGuid)) return false;
  const working = bytes.indexOf(workingBlockGuid);
  if (working < header + STORE_HEADER || working + WORKING_HEADER > bytes.length) return false;
  return erased(header + STORE_HEADER, working) && erased(working + WORKING_HEADER, bytes.length);
}
