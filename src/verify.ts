import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "./digest.js";
import { readManifest, UNLISTED } from "./manifest.js";

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
