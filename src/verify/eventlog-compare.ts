import type { EventLog } from "../codecs/eventlog.js";
import { type Bank, bankSizes } from "../lib/banks.js";
import type { RegisterValue } from "../measure/events.js";
import type { Prediction } from "../measure/request.js";
import { replay } from "../measure/vtpm/replay.js";

/** The first event of a register that differs from the prediction. */
export interface Divergence {
  readonly register: string;
  /** The banks in which the digests differ. */
  readonly banks: readonly Bank[];
  /** Position among the events of the register, from 1. */
  readonly position: number;
  /** One sentence. */
  readonly what: string;
  /** A digest in one bank, `sha256 HEX`, or `no event`. */
  readonly predicted: string;
  readonly logged: string;
}

/** Linux IMA extends this register, and has its own log. */
const IMA_REGISTER = "pcr10";
/** Every bit of these PCRs is 1 until a dynamic launch resets them (TCG PC Client Platform TPM Profile 3.7.1). */
const DYNAMIC_REGISTERS: ReadonlySet<string> = new Set([17, 18, 19, 20, 21, 22].map((index) => `pcr${index}`));

/** The predicted values with the events that give each of them. */
export function predictedRegisters({ values }: Prediction): RegisterValue[] {
  return values.map(({ register, bank, value, steps }) => ({ register, bank: bank as Bank, value, steps: steps() }));
}

/**
 * Replays the log and compares the result with reported values. A difference means that the log is not the one of these values, or that
 * somebody changed it.
 * @returns one sentence for each register that differs
 */
export function registerMismatches(
  log: EventLog,
  reported: readonly Pick<RegisterValue, "register" | "bank" | "value">[],
): readonly string[] {
  const replayed = new Map(log.banks.map((bank) => [bank, replay(log, bank)]));
  return reported.flatMap(({ register, bank, value }) => {
    if (register === IMA_REGISTER) return [];
    const values = replayed.get(bank);
    if (values === undefined) return [`the log has no digests for ${register} in ${bank}`];
    const computed = values.get(register) ?? (DYNAMIC_REGISTERS.has(register) ? "ff" : "00").repeat(bankSizes[bank]);
    const found = value.toLowerCase();
    return computed === found ? [] : [`${register} in ${bank}: the log replays to ${computed}, but the reported value is ${found}`];
  });
}

/** The first event of each register that differs from the prediction, in the order of the log. */
export function firstDivergences(log: EventLog, predicted: readonly RegisterValue[]): readonly Divergence[] {
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
    const actual = event === undefined ? "the log ends" : `the log contains ${event.what}`;
    const origin = step?.from === undefined ? "" : ` from ${step.from}`;
    const expected = step === undefined ? "no further event is predicted" : `the prediction is ${step.what}${origin}`;
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
