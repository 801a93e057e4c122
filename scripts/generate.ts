/** Writes src/model/generated.ts and docs/reference/*.md from schema/. `--check` only compares and fails on a difference. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { compile, type JSONSchema } from "json-schema-to-typescript";
import { reference } from "./reference.js";

type Schema = { [key: string]: unknown };

const root = join(import.meta.dirname, "..");
const schemaDir = join(root, "schema");

const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null && !Array.isArray(value);

/** Every property that has a default is there after `resolve`: the same schema with those properties required. */
function complete(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(complete);
  if (!isSchema(value)) return value;
  const out: Schema = Object.fromEntries(Object.entries(value).map(([key, part]) => [key, complete(part)]));
  if (isSchema(value.properties)) {
    const defaulted = Object.entries(value.properties)
      .filter(([, part]) => isSchema(part) && "default" in part)
      .map(([name]) => name);
    out.required = [...new Set([...((value.required as string[] | undefined) ?? []), ...defaulted])];
  }
  return out;
}

/** `oneOf` of two `required` says which of two is given; it adds nothing to a type but noise. */
function withoutAlternatives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAlternatives);
  if (!isSchema(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "oneOf")
      .map(([key, part]) => [key, withoutAlternatives(part)]),
  );
}

/** Replaces references to other schema files by what they refer to. */
function inline(value: unknown, files: ReadonlyMap<string, Schema>, self: Schema): unknown {
  if (Array.isArray(value)) return value.map((part) => inline(part, files, self));
  if (!isSchema(value)) return value;
  if (typeof value.$ref === "string") {
    const [file = "", pointer = ""] = value.$ref.split("#");
    const home = file === "" ? self : files.get(file);
    if (home === undefined) throw new Error(`${value.$ref}: no such schema`);
    let target: unknown = home;
    for (const part of pointer.split("/").filter((p) => p !== "")) target = isSchema(target) ? target[part] : undefined;
    if (!isSchema(target)) throw new Error(`${value.$ref}: nothing there`);
    const { $ref: _, ...own } = value;
    const { title: _title, $id: _id, $schema: _schema, ...rest } = target;
    return { ...(inline(rest, files, home) as Schema), ...own };
  }
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inline(part, files, self)]));
}

async function outputs(): Promise<Map<string, string>> {
  const names = (await readdir(schemaDir)).filter((name) => name.endsWith(".schema.json")).sort();
  const files = new Map<string, Schema>();
  for (const name of names) files.set(name, JSON.parse(await readFile(join(schemaDir, name), "utf8")) as Schema);
  const out = new Map<string, string>();
  let types = "// Generated from schema/ by `npm run generate`. Do not edit.\n";
  const options = { bannerComment: "", additionalProperties: false, maxItems: -1, ignoreMinAndMaxItems: true } as const;
  for (const [name, schema] of files) {
    if (name === "common.schema.json" || name === "launch-settings.schema.json") continue;
    const whole = withoutAlternatives(inline(schema, files, schema)) as Schema;
    delete whole.$id;
    delete whole.$defs;
    const title = String(schema.title);
    types += `\n${await compile(complete(whole) as JSONSchema, title, options)}`;
    out.set(`docs/reference/${name.replace(".schema.json", "")}.md`, reference(whole));
  }
  out.set("src/model/generated.ts", types);
  return out;
}

const check = process.argv.includes("--check");
const stale: string[] = [];
for (const [path, text] of await outputs()) {
  const file = join(root, path);
  const old = await readFile(file, "utf8").catch(() => "");
  if (old === text) continue;
  stale.push(path);
  if (!check) {
    await mkdir(join(file, ".."), { recursive: true });
    await writeFile(file, text);
  }
}
if (check && stale.length > 0) {
  console.error(`stale: ${stale.join(", ")}\nrun: npm run generate`);
  process.exit(1);
}
if (!check) console.log(stale.length === 0 ? "generated files are up to date" : `wrote ${stale.join(", ")}`);
