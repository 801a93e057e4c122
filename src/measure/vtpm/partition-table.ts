import type { Gpt } from "../../codecs/gpt.js";
import { digestsOf } from "../../lib/banks.js";
import type { BootEvent } from "../events.js";

/**
 * The event that firmware measures into PCR 5 when it boots from a disk. UEFI_GPT_DATA is the header, a u64 count and the entries in use
 * (TCG PC Client PFP 10.2.6, EV_EFI_GPT_EVENT; edk2 DxeTpm2MeasureBootLib, Tcg2MeasureGptTable).
 */
export function gptEvent({ header, entries }: Gpt): BootEvent {
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(entries.length));
  const parts = [header, count, ...entries];
  return {
    what: `partition table of the boot disk, ${entries.length} partitions`,
    digests: digestsOf(...parts),
    size: parts.reduce((sum, part) => sum + part.length, 0),
    from: "disk",
  };
}
