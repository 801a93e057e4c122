import type { RegisterValue } from "./boot-events.js";
import { type EventLog, replay } from "./eventlog.js";

/** Where what was logged and what was predicted part. */
export interface Divergence {
  readonly register: string;
  readonly bank: string;
  /** Position among the register's events, from 1. */
  readonly position: number;
  /** One sentence. */
  readonly what: string;
}

/** Registers whose replayed value is not the given one: the log does not belong to those values, or was tampered with. */
export function unexplained(log: EventLog, given: readonly Pick<RegisterValue, "register" | "bank" | "value">[]): readonly string[] {
  const replayed = new Map(log.banks.map((bank) => [bank, replay(log, bank)]));
  return given.flatMap(({ register, bank, value }) => {
    const values = replayed.get(bank);
    if (values === undefined) return [`the log has no digests for ${register} in ${bank}`];
    const found = values.get(register) ?? "00".repeat(value.length / 2);
    return found === value.toLowerCase()
      ? []
      : [`${register} in ${bank}: the log yields ${found}, but the register holds ${value.toLowerCase()}`];
  });
}

/** The first event of each register and bank that is not the predicted one, in the order of the log; empty when everything is as predicted. */
export function divergences(log: EventLog, predicted: readonly RegisterValue[]): readonly Divergence[] {
  const found = predicted.flatMap((value) => {
    const divergence = firstDivergence(log, value);
    return divergence === undefined ? [] : [divergence];
  });
  return found.sort((a, b) => a.offset - b.offset).map(({ offset: _, ...divergence }) => divergence);
}

function firstDivergence(log: EventLog, { register, bank, steps }: RegisterValue): (Divergence & { readonly offset: number }) | undefined {
  if (!log.banks.includes(bank)) return undefined;
  const logged = log.events.filter((event) => event.extends && event.register === register);
  for (let index = 0; index < Math.max(logged.length, steps.length); index++) {
    const event = logged[index];
    const step = steps[index];
    if (event !== undefined && step !== undefined && event.digests[bank] === step.digest) continue;
    const expected = step === undefined ? "no further event was predicted" : `predicted was ${step.what} with ${step.digest}`;
    const actual = event === undefined ? "the log ends" : `the log has ${event.what} with ${event.digests[bank]}`;
    return {
      register,
      bank,
      position: index + 1,
      what: `event ${index + 1} of ${register}: ${actual}, but ${expected}`,
      offset: event?.offset ?? Number.MAX_SAFE_INTEGER,
    };
  }
  return undefined;
}
