import { nitro } from "./nitro.js";
import { none } from "./none.js";
import type { MeasuredPlatform, Platform, PlatformName } from "./platform.js";
import { sev } from "./sev.js";
import { sevSnp } from "./sev-snp.js";
import { tdx } from "./tdx.js";

/** Every platform by its name. The compiler reports a platform that the schema names and this table lacks. */
export const platforms: Readonly<Record<PlatformName, Platform>> = { "sev-snp": sevSnp, sev, tdx, nitro, none };

/**
 * Returns where the evidence contains a register, such as `MEASUREMENT of the SEV-SNP attestation report`.
 * Returns undefined for a register that no evidence contains.
 */
export function evidenceField(measured: MeasuredPlatform, register: string): string | undefined {
  const evidence = Object.values(platforms).find(({ measures }) => measures.includes(measured))?.evidence;
  const field = evidence?.fields[register];
  return evidence === undefined || field === undefined ? undefined : `${field} of the ${evidence.kind}`;
}

/** An ordinary virtual machine. It replaces every TEE on hosts without TEE hardware. */
export const ordinary: Platform = none;
