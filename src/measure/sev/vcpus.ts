import { HalError } from "../../lib/errors.js";
import { bspEip, vmsaPage } from "./vmsa.js";

/** The limit of QEMU's q35 machine (hw/i386/pc_q35.c, max_cpus). */
const maxVcpus = 4096;

export function checkVcpus(vcpus: number): void {
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > maxVcpus) {
    throw new HalError("input", `vCPU count ${vcpus}: must be a whole number from 1 to ${maxVcpus}`);
  }
}

const snpActive = 1n;

/** Checks SEV_FEATURES, which has 64 bits. Bit 0, SNPActive, is set in SEV-SNP guests and in no other (AMD APM volume 2, table B-4). */
export function checkGuestFeatures(features: bigint, guest: "sev-es" | "sev-snp"): void {
  const text = `guest features 0x${features.toString(16)}`;
  if (BigInt.asUintN(64, features) !== features) throw new HalError("input", `${text}: not a number of 64 bits`);
  const active = (features & snpActive) !== 0n;
  if (active !== (guest === "sev-snp")) {
    throw new HalError("input", `${text}: bit 0, SNPActive, is ${active ? "set in a SEV-ES" : "not set in a SEV-SNP"} guest`);
  }
}

/** The VMSA page of each vCPU, bootstrap processor first, with a description in words. */
export function vcpuPages(
  vcpus: number,
  apEip: number,
  signature: number,
  sevFeatures: bigint,
): readonly { readonly page: Uint8Array; readonly what: string }[] {
  const bsp = vmsaPage(bspEip, signature, sevFeatures);
  const ap = vmsaPage(apEip, signature, sevFeatures);
  return Array.from({ length: vcpus }, (_, index) => ({ page: index === 0 ? bsp : ap, what: `vCPU ${index} registers` }));
}
