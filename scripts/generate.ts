/**
 * Writes what is generated from schema/, templates/ and the table of kernel parameters: types, reference manual and compiled/. `--check` writes nothing and fails on a
 * difference.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { compiledFiles } from "./compile-ahead.js";
import { parameterReference } from "./parameters.js";
import { reference } from "./reference.js";
import { fileSchemas, readSchemas, root } from "./schemas.js";
import { indexOf, moduleOf, typesOf } from "./types.js";

/** Directories with generated files only. */
const generatedDirs = ["src/model/schema-types", "docs/reference"];

/** Every generated file with its text. */
async function outputs(): Promise<ReadonlyMap<string, string>> {
  const schemas = readSchemas();
  const out = new Map<string, string>([["src/model/generated.ts", indexOf([...schemas.keys()])]]);
  for (const file of schemas.keys()) out.set(`src/model/schema-types/${moduleOf(file)}.ts`, await typesOf(file, schemas));
  for (const file of fileSchemas(schemas)) out.set(`docs/reference/${moduleOf(file)}.md`, reference(file, schemas));
  out.set("docs/reference/kernel-parameters.md", parameterReference());
  for (const [path, text] of await compiledFiles()) out.set(path, text);
  return out;
}

/** Files that an earlier run generated and this one does not. */
async function leftOver(generated: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const present = await Promise.all(
    generatedDirs.map(async (dir) => (await readdir(join(root, dir)).catch(() => [])).map((name) => `${dir}/${name}`)),
  );
  return present.flat().filter((path) => !generated.has(path));
}

const check = process.argv.includes("--check");
const generated = await outputs();
const removed = await leftOver(generated);
const stale = [...removed];
for (const path of check ? [] : removed) await rm(join(root, path));
for (const [path, text] of generated) {
  const file = join(root, path);
  const old = await readFile(file, "utf8").catch(() => undefined);
  if (old === text) continue;
  stale.push(path);
  if (check) continue;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
if (check && stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}\nrun: npm run generate`);
  process.exit(1);
}
if (!check) console.log(stale.length === 0 ? "generated files are up to date" : `wrote or removed ${stale.join(", ")}`);
