import type { MeasuredPlatform, Platform } from "./platforms/platform.js";

interface MeasuredPlatformRules {
  /** Whether the platform measures the initial state of each vCPU. The value then depends on the number of vCPUs. */
  readonly measuresVcpus: boolean;
  /** Whether the values need digests of the initrd in every bank. */
  readonly everyBank: boolean;
  /** How QEMU handles the kernel's header if `hal measure` gets only files and no launch.json. */
  readonly kernelHeader: Platform["kernelHeader"];
}

/** The choices of `hal measure --platform`. */
export const measuredPlatforms: Readonly<Record<MeasuredPlatform, MeasuredPlatformRules>> = {
  sev: { measuresVcpus: false, everyBank: false, kernelHeader: "sev" },
  "sev-es": { measuresVcpus: true, everyBank: false, kernelHeader: "sev" },
  "sev-snp": { measuresVcpus: true, everyBank: false, kernelHeader: "sev" },
  tdx: { measuresVcpus: false, everyBank: true, kernelHeader: "tdx" },
  vtpm: { measuresVcpus: false, everyBank: true, kernelHeader: "plain" },
  nitro: { measuresVcpus: false, everyBank: false, kernelHeader: "plain" },
};
