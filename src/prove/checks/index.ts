import { isComplete } from "../facts.js";
import type { ImagePromises } from "../image.js";
import { accessChecks } from "./access.js";
import { type Check, type CheckGroup, type Evidence, NOT_REPORTED } from "./check.js";
import { encryptionChecks } from "./encryption.js";
import { hostSettingsChecks } from "./host-settings.js";
import { kernelChecks } from "./kernel.js";
import { networkChecks } from "./network.js";
import { rootChecks } from "./root.js";
import { startupChecks } from "./startup.js";
import { storageChecks } from "./storage.js";
import { tmpfsChecks } from "./tmpfs.js";

export type { Check };

const groups: readonly CheckGroup[] = [
  startupChecks,
  rootChecks,
  encryptionChecks,
  storageChecks,
  tmpfsChecks,
  networkChecks,
  accessChecks,
  hostSettingsChecks,
  kernelChecks,
];

/**
 * Checks every promise of an image against the evidence of one boot. Pure: the same evidence gives the same checks in the same order.
 * If the report of the probe is incomplete, every check fails: a login or a listener is absent only if the probe looked for it.
 */
export function evaluate(promises: ImagePromises, evidence: Evidence): Check[] {
  const checks = groups.flatMap((group) => group(promises, evidence));
  if (isComplete(evidence.facts)) return checks;
  return checks.map((entry) => (entry.ok ? { ...entry, ok: false, found: NOT_REPORTED } : entry));
}
