import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { PlatformName } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";

type Setting = keyof Resolved["profile"]["launch"];

/** Settings that only some platforms have. An ordinary virtual machine is what a profile of any TEE is tried on: it ignores them. */
const platformsOf: Readonly<Partial<Record<Setting, readonly PlatformName[]>>> = {
  hostData: ["sev-snp", "none"],
  policy: ["sev", "sev-snp", "none"],
  quoteGenerationSocket: ["tdx", "none"],
  // An enclave has one virtual device: its vsock.
  firmware: ["sev", "sev-snp", "tdx", "none"],
  forwards: ["sev", "sev-snp", "tdx", "none"],
  shares: ["sev", "sev-snp", "tdx", "none"],
  monitors: ["sev", "sev-snp", "tdx", "none"],
};

/**
 * Refuses what a launcher would drop without a word, and a guest policy that the image's promises rule out.
 * @throws HalError "input" at the setting
 */
export function checkSettings(resolved: Resolved): void {
  const { launch, debug } = resolved.profile;
  const refuse = (name: Setting, message: string, remedy: string): never => {
    throw new HalError("input", message, { at: nearestOrigin(resolved.origins, `/launch/${name}`), remedy });
  };
  for (const [name, platforms] of Object.entries(platformsOf) as [Setting, readonly PlatformName[]][]) {
    const value = launch[name];
    const given = Array.isArray(value) ? value.length > 0 : value !== undefined;
    if (given && !platforms.includes(resolved.platform))
      refuse(name, `platform ${resolved.platform} has no launch.${name}`, `remove it: it is of ${platforms.join(", ")}`);
  }
  if (launch.policy === undefined || resolved.platform === "none") return;
  // QEMU backends/igvm.c, qigvm_handle_policy: the file's own policy takes the place of the command line's.
  if (launch.igvm !== undefined)
    refuse("policy", "the guest policy of an IGVM guest is the one in the file, and QEMU ignores another", "remove launch.policy");
  const objection = policyObjection(resolved.platform === "sev-snp" ? "sev-snp" : "sev", BigInt(launch.policy), debug);
  if (objection !== undefined) refuse("policy", `launch.policy ${launch.policy} ${objection.what}`, objection.remedy);
}

/** AMD SEV API 55766, section 3 (Guest Policy); AMD SEV-SNP ABI 56860, section 4.3 (Guest Policy). */
const bits = {
  sev: { size: 32n, noDebug: 1n << 0n },
  "sev-snp": { size: 64n, reservedOne: 1n << 17n, debug: 1n << 19n },
} as const;

interface Objection {
  readonly what: string;
  readonly remedy: string;
}

function policyObjection(type: keyof typeof bits, policy: bigint, debug: boolean): Objection | undefined {
  const { sev, "sev-snp": snp } = bits;
  if (policy >> bits[type].size !== 0n) return { what: `has more than ${bits[type].size} bits`, remedy: "0x1, or 0x5 for SEV-ES" };
  if (type === "sev-snp" && (policy & snp.reservedOne) === 0n)
    return { what: "is refused by the processor: bit 17 must be one", remedy: "0x30000 is QEMU's own" };
  const open = type === "sev-snp" ? (policy & snp.debug) !== 0n : (policy & sev.noDebug) === 0n;
  if (open && !debug) {
    return {
      what: "lets the host read and write the guest's memory through the processor's debugging commands",
      remedy: type === "sev-snp" ? "clear bit 19, or debug: true" : "set bit 0, or debug: true",
    };
  }
  return undefined;
}
