import { HalError } from "../lib/errors.js";
import { platforms } from "../model/platforms/index.js";
import type { Tee, TeeRules } from "../model/platforms/platform.js";

/**
 * Returns the rules by which each launcher configures a TEE.
 * @throws HalError "input" if launch.json names a platform that has no TEE object
 */
export function teeRules({ type }: Tee): TeeRules {
  const rules = platforms[type].tee;
  if (rules === undefined)
    throw new HalError("input", `launch.json: platform ${type} has no TEE object`, { remedy: "build the image again" });
  return rules;
}
