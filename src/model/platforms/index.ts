import { nitro } from "./nitro.js";
import { none } from "./none.js";
import type { MeasuredPlatform, Platform, PlatformName } from "./platform.js";
import { sev } from "./sev.js";
import { sevSnp } from "./sev-snp.js";
import { tdx } from "./tdx.js";

/** Every platform by its name. A platform that the schema names and this table lacks does not compile. */
export const platforms: Readonly<Record<PlatformName, Platform>> = { "sev-snp": sevSnp, sev, tdx, nitro, none };

/** Where a verifier finds a register: `MEASUREMENT of the SEV-SNP attestation report`; undefined for one that no report has. */
export function evidenceField(measured: MeasuredPlatform, register: string): string | undefined {
  const evidence = Object.values(platforms).find(({ measures }) => measures.includes(measured))?.evidence;
  const field = evidence?.fields[register];
  return evidence === undefined || field === undefined ? undefined : `${field} of the ${evidence.kind}`;
}

/** The ordinary virtual machine that stands in for every TEE where there is no hardware. */
export const ordinary: Platform = none;
