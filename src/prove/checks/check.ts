import type { Ending } from "../../launch/qmp.js";
import type { Facts } from "../facts.js";
import type { ImagePromises } from "../image.js";
import type { DiskFindings } from "../scan-disk.js";

/** One promise of an image and what the boot showed. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly found: string;
}

/** Everything that one boot showed: the probe's report, the console, and the disk afterwards. */
export interface Evidence {
  readonly facts: Facts;
  readonly console: string;
  readonly ending: Ending;
  /** Undefined for an image without a disk. */
  readonly disk: DiskFindings | undefined;
}

/** Checks one group of promises; returns nothing for a group that the image does not promise. Pure. */
export type CheckGroup = (promises: ImagePromises, evidence: Evidence) => readonly Check[];

/** Makes a `Check`. */
export const check = (name: string, ok: boolean, expected: string, found: string): Check => ({ name, ok, expected, found });

/** The text of `found` for what the probe did not report. */
export const NOT_REPORTED = "not reported";
