import { type Bank, type BankDigests, banks, digestsOf, extendAll } from "../lib/banks.js";
import type { MeasuredStep } from "./steps.js";

/** One measurement by firmware, boot loader or kernel: the digests of the same bytes in every bank. */
export interface BootEvent {
  readonly what: string;
  readonly digests: BankDigests;
  /** Bytes. */
  readonly size?: number;
  readonly from?: string;
}

/** The predicted value of a register in one bank, with the steps that lead to it, in order. */
export interface RegisterValue {
  readonly register: string;
  readonly bank: Bank;
  /** Hex. */
  readonly value: string;
  readonly steps: readonly MeasuredStep[];
}

/** A register that hal does not predict, with the reason. */
export interface NotPredicted {
  readonly register: string;
  readonly why: string;
}

/** The event that firmware logs for one of its actions. Its digest is that of a text. */
function textEvent(text: string): BootEvent {
  const bytes = Buffer.from(text, "latin1");
  return { what: `'${text}'`, digests: digestsOf(bytes), size: bytes.length };
}

const invocation = textEvent("Exit Boot Services Invocation");

/** Actions that edk2 measures (TCG PC Client PFP 10.4.4, "EV_EFI_ACTION Event Types"; 10.4.1 for the separator). */
export const actions = {
  callingApplication: textEvent("Calling EFI Application from Boot Option"),
  exitBootServices: [invocation, textEvent("Exit Boot Services Returned with Success")],
  /** The first call fails because the memory map has changed. Linux calls again with the new one. */
  exitBootServicesTwice: [
    invocation,
    textEvent("Exit Boot Services Returned with Failure"),
    invocation,
    textEvent("Exit Boot Services Returned with Success"),
  ],
  separator: { what: "separator between firmware and operating system", digests: digestsOf(Buffer.alloc(4)), size: 4 },
} as const;

/** The value of a register after its events, in each of the banks. */
export function registerValues(register: string, events: readonly BootEvent[], wanted: readonly Bank[] = banks): RegisterValue[] {
  return wanted.map((bank) => ({
    register,
    bank,
    value: extendAll(
      bank,
      events.map(({ digests }) => digests[bank]),
    ),
    steps: events.map(({ digests, ...rest }) => ({ register, ...rest, digest: digests[bank] })),
  }));
}
