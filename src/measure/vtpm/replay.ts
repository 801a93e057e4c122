import type { EventLog } from "../../codecs/eventlog.js";
import { type Bank, bankSizes, extendAll } from "../../lib/banks.js";

/** The values that the registers of a bank have if exactly these events extended them. Registers without an event are left out. */
export function replay({ events, startupLocality }: EventLog, bank: Bank): ReadonlyMap<string, string> {
  const byRegister = new Map<string, string[]>();
  for (const event of events) {
    const digest = event.digests[bank];
    if (!event.extends || event.register === "mrtd" || digest === undefined) continue;
    const list = byRegister.get(event.register) ?? [];
    list.push(digest);
    byRegister.set(event.register, list);
  }
  const start = `${"00".repeat(bankSizes[bank] - 1)}${startupLocality.toString(16).padStart(2, "0")}`;
  return new Map(
    [...byRegister].map(([register, digests]) => [register, extendAll(bank, digests, register === "pcr0" ? start : undefined)]),
  );
}
