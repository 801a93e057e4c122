import { writeDocument } from "../bundle/documents.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure, toMeasurements } from "../measure/measure.js";
import type { Described } from "./describe.js";

/**
 * Predicts the registers that the launch metadata names and writes measurements.json.
 * @throws HalError for artifacts that cannot be measured
 */
export async function measureImage(described: Described): Promise<Described> {
  const prediction = await measure(launchRequest(described.launch, described.dir));
  await writeDocument(described.dir, "measurements", toMeasurements(prediction, described.launch));
  return described;
}
