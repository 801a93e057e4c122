import type { MeasuredPlatform, Platform } from "./platforms/platform.js";

interface MeasuredPlatformRules {
  /** The first state of each vCPU is measured, so the value depends on their number. */
  readonly measuresVcpus: boolean;
  /** Digests of the initrd are needed in every bank. */
  readonly everyBank: boolean;
  /** How QEMU treats the kernel's header where nothing but the measured platform is known. */
  readonly kernelHeader: Platform["kernelHeader"];
}

/** What `hal measure --platform` can predict. */
export const measuredPlatforms: Readonly<Record<MeasuredPlatform, MeasuredPlatformRules>> = {
  sev: { measuresVcpus: false, everyBank: false, kernelHeader: "sev" },
  "sev-es": { measuresVcpus: true, everyBank: false, kernelHeader: "sev" },
  "sev-snp": { measuresVcpus: true, everyBank: false, kernelHeader: "sev" },
  tdx: { measuresVcpus: false, everyBank: true, kernelHeader: "tdx" },
  vtpm: { measuresVcpus: false, everyBank: true, kernelHeader: "plain" },
  nitro: { measuresVcpus: false, everyBank: false, kernelHeader: "plain" },
};
