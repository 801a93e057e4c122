// Generated from schema/ by `npm run generate`. Do not edit.
import type { MeasuredPlatform } from "./common.js";

/**
 * measurements.json lists the predicted values of the measurement registers, and what else must hold in the evidence. It also lists the registers that hal cannot predict, with the reason.
 */
export interface Measurements {
  /** The version of the file format. */
  schema: "hal.measurements/v1";
  /** The predicted values. */
  values: {
    /** The platform that reports a register. `sev-es` is SEV with encrypted state; `vtpm` is a virtual TPM. */
    platform: MeasuredPlatform;
    /** The name of the register. */
    register: string;
    /** The hash algorithm. */
    bank: "sha1" | "sha256" | "sha384";
    /** The value in hex. */
    value: string;
    /** The configuration that the value is valid for, such as firmware digest, vCPUs, CPU model, memory and QEMU version. */
    holdsFor: {
      [k: string]: string | number | boolean;
    };
    /** The artifacts and settings that determine the value. */
    from: string[];
  }[];
  /** The fields of the evidence that no register covers, such as the guest policy. A verifier must check them too. */
  expect: {
    /** The platform that reports a register. `sev-es` is SEV with encrypted state; `vtpm` is a virtual TPM. */
    platform: MeasuredPlatform;
    /** The name of the field in the vendor's specification. */
    field: string;
    /** The values that the field can have. */
    allowed?: string[];
    /** The values that the field cannot have. */
    forbidden?: string[];
    /** The bits that must be 1. */
    set?: string;
    /** The bits that must be 0. */
    clear?: string;
    /** A selection of PCRs must include these. */
    includes?: string[];
  }[];
  /** The registers without a predicted value. */
  notPredicted: {
    /** The platform that reports the register. */
    platform: string;
    /** The name of the register. */
    register: string;
    /** The reason why hal cannot predict the value. */
    why: string;
  }[];
}
