/**
 * Compiles schema/ and templates/ into compiled/*.js, so that hal does not compile them at every start. The files are not committed:
 * `npm run compile`, `npm run generate` and every run of vitest write them.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { compileTemplates } from "./compile-templates.js";
import { compileValidators } from "./compile-validators.js";
import { root } from "./schemas.js";

/** The files of compiled/ with their text. */
export async function compiledFiles(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["compiled/validators.js", await bundle("schema/", compileValidators())],
    ["compiled/templates.js", await bundle("templates/", compileTemplates())],
  ]);
}

/** The module with the run-time helpers of ajv or Handlebars that it imports copied in: hal loads one file and neither package. */
async function bundle(from: string, contents: string): Promise<string> {
  const banner = { js: `// Compiled from ${from} by scripts/compile-ahead.ts. Do not edit.` };
  const options = { bundle: true, format: "esm", platform: "node", write: false, banner, logLevel: "error" } as const;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir: root } });
  return outputFiles.map(({ text }) => text).join("");
}

/**
 * Writes the files that differ, each atomically: another process reads the old file or the new one, never half of it. vitest calls this
 * as its `globalSetup`.
 */
export default async function compileAhead(): Promise<void> {
  for (const [path, text] of await compiledFiles()) {
    const file = join(root, path);
    if (textOf(file) === text) continue;
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await compileAhead();
