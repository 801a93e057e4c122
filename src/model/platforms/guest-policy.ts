import type { LaunchRefusal } from "./platform.js";

interface PolicyRules {
  /** The width of the policy. */
  readonly bits: bigint;
  readonly bitsRemedy?: string;
  /** Whether a policy lets the host debug the guest. */
  readonly allowsDebug: (policy: bigint) => boolean;
  readonly debugRemedy: string;
  /** Whether the image has `debug: true`. */
  readonly debugImage: boolean;
  /** Why a policy is refused, debug image or not: the rest of a sentence that starts with `the guest policy`. */
  readonly refusal?: (policy: bigint) => { readonly what: string; readonly remedy: string } | undefined;
}

/**
 * Returns why hal refuses an AMD guest policy; undefined if it accepts the policy.
 * Only a debug image can have a policy that lets the host debug the guest.
 * @param text hexadecimal, such as `0x30000`
 */
export function policyRefusal(text: string, rules: PolicyRules): LaunchRefusal | undefined {
  const policy = BigInt(text);
  const refuse = (what: string, remedy: string) => ({ key: "policy" as const, message: `the guest policy ${text} ${what}`, remedy });
  if (policy >> rules.bits !== 0n) return refuse(`has more than ${rules.bits} bits`, rules.bitsRemedy ?? "use a shorter policy");
  const refused = rules.refusal?.(policy);
  if (refused !== undefined) return refuse(refused.what, refused.remedy);
  if (!rules.allowsDebug(policy) || rules.debugImage) return undefined;
  return refuse("lets the host read and write the guest's memory through the processor's debugging commands", rules.debugRemedy);
}
