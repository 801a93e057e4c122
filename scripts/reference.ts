import { fileSchemas, isSchema, type Schema, target } from "./schemas.js";

/** The greatest width of a line of the manual. */
const COLUMNS = 100;

/** The type of a value in words: `text`, `list of text`, `map`, or the allowed values. */
function typeWords(schema: Schema): string {
  if ("const" in schema) return `\`${String(schema.const)}\``;
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => `\`${String(value)}\``).join(" or ");
  if (Array.isArray(schema.anyOf)) return schema.anyOf.filter(isSchema).map(typeWords).join(" or ");
  if (schema.type === "array") return `list of ${isSchema(schema.items) ? plural(typeWords(schema.items)) : "values"}`;
  if (schema.type === "object") return "map";
  if (schema.type === "integer") {
    return "minimum" in schema && "maximum" in schema ? `integer, ${String(schema.minimum)} to ${String(schema.maximum)}` : "integer";
  }
  if (schema.type === "string") return "text";
  return String(schema.type ?? "value");
}

const plural = (words: string): string => (words === "map" ? "maps" : words.replace(/^list of/, "lists of"));

/** An empty map or list is no default worth printing. */
function defaultWords(schema: Schema): string | undefined {
  if (!("default" in schema)) return undefined;
  const text = typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default);
  return text === "" || text === "{}" || text === "[]" ? undefined : `default \`${text}\``;
}

/** One list item for each key, with the keys of a map or of the maps of a list below it. */
function items(schema: Schema, depth: number): readonly string[] {
  if (!isSchema(schema.properties)) return [];
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties).flatMap(([key, part]) => {
    if (!isSchema(part)) return [];
    const facts = [typeWords(part), required.includes(key) ? "required" : undefined, defaultWords(part)].filter(
      (fact) => fact !== undefined,
    );
    const nested = [part, part.items, ...(Array.isArray(part.anyOf) ? part.anyOf : [])].filter(isSchema);
    return [
      wrapped(`- **\`${key}\`** (${facts.join("; ")}): ${String(part.description)}`, " ".repeat(2 * depth), "  "),
      ...nested.flatMap((below) => items(below, depth + 1)),
    ];
  });
}

/** Text in lines of at most 100 columns. Each line is indented, and each line after the first also has the `hanging` indent. */
function wrapped(text: string, indent = "", hanging = ""): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = `${indent}${hanging}${word}`;
    } else line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line].join("\n");
}

/**
 * The schema with every reference replaced by its target; keys beside `$ref` win. A reference to a schema that has its own page becomes a
 * link to the page.
 */
function inlined(value: unknown, file: string, schemas: ReadonlyMap<string, Schema>): unknown {
  if (Array.isArray(value)) return value.map((part) => inlined(part, file, schemas));
  if (!isSchema(value)) return value;
  const { $ref, ...own } = value;
  if (typeof $ref !== "string") return Object.fromEntries(Object.entries(own).map(([key, part]) => [key, inlined(part, file, schemas)]));
  const found = target($ref, file, schemas);
  if (found.key === undefined && fileSchemas(schemas).includes(found.file)) {
    const page = `[${String(found.schema.title)}](${found.file.replace(".schema.json", ".md")})`;
    return { type: "object", description: `${String(own.description ?? "")} See ${page}.` };
  }
  return { ...(inlined(found.schema, found.file, schemas) as Schema), ...own };
}

/** The page of the reference manual for one schema: every key with type, default and meaning. */
export function reference(file: string, schemas: ReadonlyMap<string, Schema>): string {
  const schema = inlined(schemas.get(file), file, schemas) as Schema;
  return `<!-- Generated from schema/ by \`npm run generate\`. Do not edit. -->
# ${String(schema.title)}

${wrapped(String(schema.description))}

${items(schema, 0).join("\n")}
`;
}
