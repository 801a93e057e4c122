import type { Measurements } from "../model/generated.js";
import type { MeasuredPlatform } from "../model/platforms/platform.js";
import { type ExplainedValue, type Inputs, inputsOf, type MeasureRequest, type Prediction } from "./request.js";

/** Each platform's code is loaded when it is asked for: `hal measure` starts many times in a script. */
const predictors: Readonly<Record<MeasuredPlatform, () => Promise<(inputs: Inputs) => Promise<Prediction>>>> = {
  sev: async () => (await import("./sev/measure-sev.js")).measureSev,
  "sev-es": async () => (await import("./sev/measure-sev.js")).measureSevEs,
  "sev-snp": async () => (await import("./sev/measure-snp.js")).measureSnp,
  tdx: async () => (await import("./tdx/index.js")).measureTdx,
  vtpm: async () => (await import("./vtpm/index.js")).measureVtpm,
  nitro: async () => (await import("./nitro/index.js")).measureNitro,
};

/**
 * Predicts every register of the platforms asked for.
 * @throws HalError "input" when a file cannot be read, a setting is missing or a combination is not supported
 */
export async function measure(request: MeasureRequest): Promise<Prediction> {
  const inputs = inputsOf(request);
  const values: ExplainedValue[] = [];
  const notPredicted: Measurements["notPredicted"] = [];
  for (const platform of request.platforms) {
    const predict = await predictors[platform]();
    const part = await predict(inputs);
    values.push(...part.values);
    notPredicted.push(...part.notPredicted);
  }
  return { values, notPredicted };
}

/** The prediction as `measurements.json` has it. */
export function toMeasurements({ values, notPredicted }: Prediction): Measurements {
  return { schema: "hal.measurements/v1", values: values.map(({ steps: _, ...value }) => value), notPredicted };
}
