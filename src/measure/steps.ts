/** One thing that enters a measured register: a row of `hal measure --explain`. */
export interface MeasuredStep {
  /** The register's name in measurements.json: `launchDigest`, `mrtd`, `rtmr1`, `pcr4`, … */
  readonly register: string;
  /** What enters, in words. */
  readonly what: string;
  /** Hex digest of what enters; absent where only an address and a page type are measured. */
  readonly digest?: string;
  /** Guest physical address of the first byte, for measured memory. */
  readonly gpa?: bigint;
  /** Bytes. */
  readonly size?: number;
  /** The artifact or setting that it comes from, in the words of `from` in measurements.json: `firmware`, `kernel`, `cmdline`, … */
  readonly from?: string;
}

/** The predicted value (hex) of a register with the steps that lead to it, in order. */
export interface Measured {
  readonly digest: string;
  readonly steps: readonly MeasuredStep[];
}
