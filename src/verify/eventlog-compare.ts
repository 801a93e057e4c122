import { type EventLog, replay } from "../codecs/eventlog.js";
import { type Bank, bankSizes } from "../lib/banks.js";
import type { RegisterValue } from "../measure/events.js";

/** Where what was logged and what was predicted part. */
export interface Divergence {
  readonly register: string;
  /** In which the two digests differ. */
  readonly banks: readonly Bank[];
  /** Position among the register's events, from 1. */
  readonly position: number;
  /** One sentence. */
  readonly what: string;
  /** A digest in one bank, `sha256 HEX`, or that there is none. */
  readonly predicted: string;
  readonly logged: string;
}

/** Linux IMA extends it, and keeps a log of its own. */
const imaRegister = "pcr10";
/** These start with all bits set until a dynamic launch resets them (TCG PC Client Platform TPM Profile 3.7.1). */
const dynamicRegisters: ReadonlySet<string> = new Set([17, 18, 19, 20, 21, 22].map((index) => `pcr${index}`));

/** Registers whose replayed value is not the given one: the log does not belong to those values, or was tampered with. */
export function unexplained(log: EventLog, given: readonly Pick<RegisterValue, "register" | "bank" | "value">[]): readonly string[] {
  const replayed = new Map(log.banks.map((bank) => [bank, replay(log, bank)]));
  return given.flatMap(({ register, bank, value }) => {
    if (register === imaRegister) return [];
    const values = replayed.get(bank);
    if (values === undefined) return [`the log has no digests for ${register} in ${bank}`];
    const found = values.get(register) ?? (dynamicRegisters.has(register) ? "ff" : "00").repeat(bankSizes[bank]);
    const held = value.toLowerCase();
    return found === held ? [] : [`${register} in ${bank}: the log yields ${found}, but the register holds ${held}`];
  });
}

/** The first event of each register that is not the predicted one, in the order of the log; empty when everything is as predicted. */
export function divergences(log: EventLog, predicted: readonly RegisterValue[]): readonly Divergence[] {
  const byRegister = new Map<string, RegisterValue[]>();
  for (const value of predicted) {
    if (log.banks.includes(value.bank)) byRegister.set(value.register, [...(byRegister.get(value.register) ?? []), value]);
  }
  const found = [...byRegister].flatMap(([register, values]) => firstDivergence(log, register, values) ?? []);
  return found.sort((a, b) => a.offset - b.offset).map(({ offset: _, ...divergence }) => divergence);
}

function firstDivergence(log: EventLog, register: string, values: readonly RegisterValue[]): (Divergence & { offset: number }) | undefined {
  const logged = log.events.filter((event) => event.extends && event.register === register);
  const length = Math.max(logged.length, ...values.map(({ steps }) => steps.length));
  for (let index = 0; index < length; index++) {
    const event = logged[index];
    const wrong = values.filter(({ bank, steps }) => event === undefined || event.digests[bank] !== steps[index]?.digest);
    const shown = wrong.find(({ bank }) => bank === "sha256") ?? wrong[0];
    if (shown === undefined) continue;
    const { bank } = shown;
    const step = shown.steps[index];
    const actual = event === undefined ? "the log ends" : `the log has ${event.what}`;
    const origin = step?.from === undefined ? "" : `, which comes from ${step.from}`;
    const expected = step === undefined ? "no further event was predicted" : `predicted was ${step.what}${origin}`;
    return {
      register,
      banks: wrong.map((value) => value.bank),
      position: index + 1,
      what: `event ${index + 1} of ${register}: ${actual}, but ${expected}`,
      predicted: step === undefined ? "no event" : `${bank} ${step.digest}`,
      logged: event === undefined ? "no event" : `${bank} ${event.digests[bank]}`,
      offset: event?.offset ?? Number.MAX_SAFE_INTEGER,
    };
  }
  return undefined;
}
