import { HalError } from "../errors.js";
import { bspEip, vmsaPage } from "./vmsa.js";

/** QEMU's q35 machine starts no more (hw/i386/pc_q35.c, max_cpus). */
const maxVcpus = 4096;

export function checkVcpus(vcpus: number): void {
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > maxVcpus) {
    throw new HalError("input", `vCPU count ${vcpus}: must be a whole number from 1 to ${maxVcpus}`);
  }
}

/** The VMSA page of each vCPU, bootstrap processor first, with words for it. */
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
