import type { Launch, Measurements } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { MeasuredPlatform } from "../model/platforms/platform.js";
import { type ExplainedValue, type MeasureRequest, type Prediction, type RequestFiles, requestFiles } from "./request.js";

/** Each platform's code is loaded when a request names the platform, because scripts start `hal measure` many times. */
const predictors: Readonly<Record<MeasuredPlatform, () => Promise<(files: RequestFiles) => Promise<Prediction>>>> = {
  sev: async () => (await import("./sev/index.js")).measureSev,
  "sev-es": async () => (await import("./sev/index.js")).measureSevEs,
  "sev-snp": async () => (await import("./sev/index.js")).measureSnp,
  tdx: async () => (await import("./tdx/index.js")).measureTdx,
  vtpm: async () => (await import("./vtpm/index.js")).measureVtpm,
  nitro: async () => (await import("./nitro/index.js")).measureNitro,
};

/**
 * Predicts every register of the platforms of a request.
 * @throws HalError "input" when a file cannot be read, a setting is missing or a combination is not supported
 */
export async function measure(request: MeasureRequest): Promise<Prediction> {
  const files = requestFiles(request);
  const values: ExplainedValue[] = [];
  const notPredicted: Measurements["notPredicted"] = [];
  for (const platform of request.platforms) {
    const predict = await predictors[platform]();
    const part = await predict(files);
    values.push(...part.values);
    notPredicted.push(...part.notPredicted);
  }
  return { values, notPredicted };
}

/**
 * The prediction in the form of `measurements.json`.
 * @param launch the launch metadata; files without it have no expectations
 */
export function toMeasurements({ values, notPredicted }: Prediction, launch?: Launch): Measurements {
  const expect = launch === undefined ? [] : [...platforms[launch.platform].expect(launch)];
  return { schema: "hal.measurements/v1", values: values.map(({ steps: _, ...value }) => value), expect, notPredicted };
}
