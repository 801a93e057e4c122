import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Schema = { readonly [key: string]: unknown };

/** The root of the repository. */
export const root = join(import.meta.dirname, "..");

export const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null && !Array.isArray(value);

/** Every JSON Schema of schema/ by file name, sorted. */
export function readSchemas(): ReadonlyMap<string, Schema> {
  const dir = join(root, "schema");
  const names = readdirSync(dir).filter((name) => name.endsWith(".schema.json"));
  return new Map(names.sort().map((name) => [name, JSON.parse(readFileSync(join(dir, name), "utf8")) as Schema]));
}

/** Schemas that hold parts of other schemas; every other schema describes a file. */
const parts = ["common.schema.json", "launch-settings.schema.json"];

/** The names of the schemas that describe a file: profile.schema.json, launch.schema.json, … */
export function fileSchemas(schemas: ReadonlyMap<string, Schema>): readonly string[] {
  return [...schemas.keys()].filter((name) => !parts.includes(name));
}

/** What a `$ref` refers to. */
export interface Target {
  readonly file: string;
  readonly schema: Schema;
  /** The key in `$defs`; undefined for a whole file. */
  readonly key: string | undefined;
}

/**
 * Finds what a `$ref` refers to: `FILE`, `FILE#/$defs/KEY` or `#/$defs/KEY`.
 * @param file the schema that contains the reference
 */
export function target(ref: string, file: string, schemas: ReadonlyMap<string, Schema>): Target {
  const [, name = "", key] = /^([^#]*)(?:#\/\$defs\/(\w+))?$/.exec(ref) ?? [];
  const home = name === "" ? file : name;
  const whole = schemas.get(home);
  const definitions = whole !== undefined && isSchema(whole.$defs) ? whole.$defs : {};
  const schema = key === undefined ? whole : definitions[key];
  if (!isSchema(schema)) throw new Error(`${file}: nothing at ${ref}`);
  return { file: home, schema, key };
}
