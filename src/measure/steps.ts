/**
 * One thing that enters a measured register, in the order in which it enters: a row of `hal measure --explain`.
 * Every calculator of src/measure returns its steps beside its value.
 */
export interface MeasuredStep {
  /** The register as measurements.json names it: `launchDigest`, `mrtd`, `rtmr1`, `pcr4`, … */
  readonly register: string;
  /** What enters, in words. */
  readonly what: string;
  /** Hex digest of what enters; absent where only an address and a page type are measured. */
  readonly digest?: string;
  /** Guest physical address of the first byte, for measured memory. */
  readonly gpa?: bigint;
  /** Bytes. */
  readonly size?: number;
  /** The artifact or setting it comes from, in the words of a measurement's `from`: `firmware`, `kernel`, `initrd`, `cmdline`, `vcpus`, … */
  readonly from?: string;
}

/** A register's predicted value (hex) with everything that entered it, in order. */
export interface Measured {
  readonly digest: string;
  readonly steps: readonly MeasuredStep[];
}
