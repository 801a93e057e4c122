import type { LaunchSettings, Objection } from "./platform.js";

interface PolicyRules {
  /** Width of the policy. */
  readonly bits: bigint;
  readonly bitsRemedy?: string;
  /** The policy lets the host debug the guest. */
  readonly debug: (policy: bigint) => boolean;
  readonly debugRemedy: string;
  /** The profile says `debug: true`. */
  readonly debugImage: boolean;
  /** What else the processor refuses. */
  readonly refusal?: (policy: bigint) => { readonly what: string; readonly remedy: string } | undefined;
}

/** What is wrong with an AMD guest policy. A policy that lets the host read the guest is for debug images. */
export function guestPolicy(text: string, rules: PolicyRules): (Objection & { readonly key: keyof LaunchSettings }) | undefined {
  const policy = BigInt(text);
  const refuse = (what: string, remedy: string) => ({ key: "policy" as const, message: `launch.policy ${text} ${what}`, remedy });
  if (policy >> rules.bits !== 0n) return refuse(`has more than ${rules.bits} bits`, rules.bitsRemedy ?? "a shorter policy");
  const refusal = rules.refusal?.(policy);
  if (refusal !== undefined) return refuse(refusal.what, refusal.remedy);
  if (!rules.debug(policy) || rules.debugImage) return undefined;
  return refuse("lets the host read and write the guest's memory through the processor's debugging commands", rules.debugRemedy);
}
