// Generated from schema/ by `npm run generate`. Do not edit.
import type { MeasuredPlatform } from "./common.js";

/** What the hardware will report: one entry per register, bank and combination; and what cannot be predicted, with the reason. */
export interface Measurements {
  schema: "hal.measurements/v1";
  /** Predicted values. */
  values: {
    /** Who reports a register: a platform, SEV with encrypted state (sev-es), or a vTPM. */
    platform: MeasuredPlatform;
    /** The register. */
    register: string;
    /** The hash. */
    bank: "sha1" | "sha256" | "sha384";
    /** The value, hex. */
    value: string;
    /** The exact combination that the value holds for: firmware digest, vCPUs, CPU model, memory, QEMU and firmware generation. */
    holdsFor: {
      [k: string]: string | number | boolean;
    };
    /** The artifacts and settings that it depends on. */
    from: string[];
  }[];
  /** Registers without a value. */
  notPredicted: {
    /** Who reports it. */
    platform: string;
    /** The register. */
    register: string;
    /** Why it cannot be predicted. */
    why: string;
  }[];
}
