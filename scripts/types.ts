import { compile, type JSONSchema } from "json-schema-to-typescript";
import { isSchema, type Schema, target } from "./schemas.js";

const options = { bannerComment: "", additionalProperties: false } as const;

/** The types that a module imports, by the module they come from. */
type Imports = Map<string, Set<string>>;

/**
 * The TypeScript module of one schema: an interface for the schema and one for each of its definitions that is an object or an enum.
 * The types describe values after `resolve`, so a property with a default is required.
 */
export async function typesOf(file: string, schemas: ReadonlyMap<string, Schema>): Promise<string> {
  const schema = schemas.get(file) ?? {};
  const imports: Imports = new Map();
  const { $id: _, $defs, ...rest } = schema;
  const definitions = Object.entries((isSchema($defs) ? $defs : {}) as Record<string, Schema>).filter(([, part]) => isNamed(part));
  const named = [
    ...definitions.map(([key, part]) => [typeName(key, part), part] as const),
    ...(isNamed(rest) ? [[String(rest.title), rest] as const] : []),
  ];
  const types: string[] = [];
  for (const [name, part] of named) {
    const { title: _, ...untitled } = typed(part, file, schemas, imports) as Schema;
    types.push(await compile(untitled as JSONSchema, name, options));
  }
  const lines = [...imports].sort().map(([module, names]) => `import type { ${[...names].sort().join(", ")} } from "./${module}.js";\n`);
  return `${banner}${lines.join("")}\n${types.map(shortComments).join("\n")}`;
}

export const banner = "// Generated from schema/ by `npm run generate`. Do not edit.\n";

/** The module that re-exports the types of all schemas. */
export function indexOf(files: readonly string[]): string {
  return banner + files.map((file) => `export type * from "./schema-types/${moduleOf(file)}.js";\n`).join("");
}

export const moduleOf = (file: string): string => file.replace(".schema.json", "");

/** The name of a definition's type: its title, else its key in Pascal case. */
const typeName = (key: string, { title }: Schema): string => String(title ?? key.charAt(0).toUpperCase() + key.slice(1));

const isNamed = (schema: Schema): boolean => schema.type === "object" || Array.isArray(schema.enum);

/** Rules that the types do not express. `oneOf` names the keys of which exactly one is given. */
const notTyped = ["oneOf", "minItems", "maxItems"];

/** The schema as its types see it: references to named types stay references, and a property with a default is required. */
function typed(value: unknown, file: string, schemas: ReadonlyMap<string, Schema>, imports: Imports): unknown {
  if (Array.isArray(value)) return value.map((part) => typed(part, file, schemas, imports));
  if (!isSchema(value)) return value;
  if (typeof value.$ref === "string") return referred(value, file, schemas, imports);
  const parts = Object.entries(value).filter(([key]) => !notTyped.includes(key));
  const out: Record<string, unknown> = Object.fromEntries(parts.map(([key, part]) => [key, typed(part, file, schemas, imports)]));
  if (isSchema(out.items)) out.items = withoutDescription(out.items); // the list has its own
  if (isSchema(out.properties)) {
    const defaulted = Object.entries(out.properties).filter(([, part]) => isSchema(part) && "default" in part);
    out.required = [...new Set([...((value.required as string[] | undefined) ?? []), ...defaulted.map(([name]) => name)])];
  }
  return out;
}

const withoutDescription = ({ description: _, ...schema }: Schema): Schema => schema;

function referred({ $ref, ...own }: Schema, file: string, schemas: ReadonlyMap<string, Schema>, imports: Imports): unknown {
  const found = target(String($ref), file, schemas);
  const { title, $id: _id, $schema: _schema, ...schema } = found.schema;
  if (!isNamed(schema)) return { ...(typed(schema, found.file, schemas, imports) as Schema), ...own };
  const name = found.key === undefined ? String(title) : typeName(found.key, found.schema);
  if (found.file !== file) imports.set(moduleOf(found.file), new Set([...(imports.get(moduleOf(found.file)) ?? []), name]));
  return { description: schema.description, ...own, tsType: name };
}

/** Comments of one line, as the rest of the code writes them. */
function shortComments(types: string): string {
  return types.replace(/\/\*\*\n\s*\* ([^\n]*)\n\s*\*\//g, (comment, line: string) => (line.length < 130 ? `/** ${line} */` : comment));
}
