import type { Inputs, Prediction } from "../request.js";
import { launchDigests } from "./index.js";
import { sevEsLaunchDigest, sevLaunchDigest } from "./sev-digest.js";

export function measureSev(inputs: Inputs): Promise<Prediction> {
  return launchDigests({ platform: "sev", bank: "sha256", digest: sevLaunchDigest }, inputs);
}

export function measureSevEs(inputs: Inputs): Promise<Prediction> {
  return launchDigests({ platform: "sev-es", bank: "sha256", guestFeatures: "0x0", digest: sevEsLaunchDigest }, inputs);
}
