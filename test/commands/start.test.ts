import { join } from "node:path";
import { build, type Metafile } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import { halRoot } from "../../src/lib/paths.js";

let outputs: Metafile["outputs"];
beforeAll(async () => {
  const entryPoints = ["main", "commands/list", "commands/check"].map((name) => join(halRoot, `src/${name}.ts`));
  const options = { bundle: true, splitting: true, format: "esm", platform: "node", packages: "external", write: false } as const;
  ({
    metafile: { outputs },
  } = await build({ ...options, entryPoints, outbase: halRoot, outdir: halRoot, absWorkingDir: halRoot, metafile: true }));
});

/** The packages that a module loads when it starts, without those of dynamic imports. */
function packagesOf(output: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(output)) return [];
  seen.add(output);
  const loaded = outputs[output]?.imports.filter(({ kind }) => kind === "import-statement") ?? [];
  const packages = loaded.flatMap(({ path, external }) => (external ? [path] : packagesOf(path, seen)));
  return [...new Set(packages)].filter((path) => !path.startsWith("node:")).sort();
}

test.each([
  ["main", ["commander"]],
  ["commands/list", ["fastest-levenshtein", "yaml"]],
  ["commands/check", ["fastest-levenshtein", "yaml"]],
])("src/%s.ts loads these packages at start: %j", (name, packages) => {
  expect(packagesOf(`src/${name}.js`)).toEqual(packages);
});
