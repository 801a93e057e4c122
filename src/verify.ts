import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, sha256File } from "./digest.js";
import type { Measurements } from "./generated/types.js";
import { readJson, readManifest, UNLISTED } from "./manifest.js";
import { measure, toMeasurements } from "./measure/measure.js";
import { requestOf } from "./measure-output.js";
import { validatePlain } from "./schema.js";

/** One claim of the manifest and whether it holds. */
export interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly expected?: string;
  readonly found?: string;
}

/** Recomputes what the manifest of `out/P` claims about its files. */
export async function verifyArtifacts(dir: string): Promise<Finding[]> {
  const manifest = await readManifest(dir);
  const findings: Finding[] = [];
  for (const { name, size, sha256 } of manifest.artifacts) {
    const file = join(dir, name);
    const info = await stat(file).catch(() => undefined);
    if (info === undefined) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: "missing" });
    else if (info.size !== size) findings.push({ what: name, ok: false, expected: `${size} bytes`, found: `${info.size} bytes` });
    else {
      const digest = await sha256File(file);
      findings.push({ what: name, ok: digest === sha256, expected: sha256, found: digest });
    }
  }
  const listed = new Set([...manifest.artifacts.map((entry) => entry.name), ...UNLISTED]);
  for (const name of (await readdir(dir)).sort()) {
    if (!listed.has(name)) findings.push({ what: name, ok: false, expected: "nothing", found: "a file that the manifest does not know" });
  }
  return findings;
}

/** Predicts the measurements of `out/P` again from its artifacts and compares them with measurements.json. */
export async function verifyMeasurements(dir: string): Promise<Finding[]> {
  const file = join(dir, "measurements.json");
  const claimed = await readJson(file);
  validatePlain(claimed, "measurements", file);
  const key = ({ platform, register, bank, holdsFor }: Measurements["values"][number]): string =>
    `${platform} ${register} ${bank} ${canonicalJson(holdsFor)}`;
  const found = new Map(toMeasurements(await measure(await requestOf(dir))).values.map((value) => [key(value), value.value]));
  const wrong = (claimed as Measurements).values.filter((value) => found.get(key(value)) !== value.value);
  const all = (claimed as Measurements).values.length;
  if (wrong.length === 0) return [{ what: "measurements.json", ok: true, found: `${all} values recomputed` }];
  return wrong.map((value) => ({
    what: `${value.platform} ${value.register} ${value.bank}`,
    ok: false,
    expected: value.value,
    found: found.get(key(value)) ?? "no such value",
  }));
}
