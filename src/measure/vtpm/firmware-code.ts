import { unpackVolumes } from "../../codecs/firmware-volumes.js";
import type { Firmware } from "../../codecs/ovmf.js";
import { digestsOf } from "../../lib/banks.js";
import type { BootEvent } from "../events.js";

/**
 * The events of PCR 0 before its separator: the firmware's version as text, then the volumes as they are in memory (TCG PC Client PFP
 * 3.3.4.1; edk2 Tcg2Pei, MeasureCRTMVersion and MeasureFvImage). A kind "input" error for firmware that states another version.
 */
export function firmwareEvents(firmware: Firmware, version: string): readonly BootEvent[] {
  const { pei, dxe } = unpackVolumes(firmware);
  const text = Buffer.from(`${version}\0`, "utf16le");
  if (!containsText(Buffer.from(pei.buffer, pei.byteOffset, pei.length), text))
    throw firmware.reader.error(0, "firmware", `does not state the version '${version}': give all of it, such as 2026.08+ds-2`);
  const event = (what: string, bytes: Uint8Array): BootEvent => ({ what, digests: digestsOf(bytes), size: bytes.length, from: "firmware" });
  return [event(`firmware version '${version}'`, text), event("firmware volume of PEI", pei), event("firmware volume of DXE", dxe)];
}

/** Whether bytes contain a text that is not the end of a longer one. */
function containsText(bytes: Buffer, text: Buffer): boolean {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) {
    const before = at < 2 ? 0 : bytes.readUInt16LE(at - 2);
    if (before < 0x20 || before > 0x7e) return true;
  }
  return false;
}
