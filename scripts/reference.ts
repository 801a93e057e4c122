import { isSchema, type Schema, target } from "./schemas.js";

/** The words for a schema's type: `text`, `one of a, b`, `list of text`, `map`. */
function typeWords(schema: Schema): string {
  if ("const" in schema) return `\`${String(schema.const)}\``;
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => `\`${String(value)}\``).join(" or ");
  if (Array.isArray(schema.anyOf)) return schema.anyOf.filter(isSchema).map(typeWords).join(" or ");
  if (schema.type === "array") return `list of ${isSchema(schema.items) ? typeWords(schema.items) : "values"}`;
  if (schema.type === "object") return "map";
  if (schema.type === "integer") {
    const range = "minimum" in schema && "maximum" in schema ? ` ${String(schema.minimum)}…${String(schema.maximum)}` : "";
    return `integer${range}`;
  }
  if (schema.type === "string") return "text";
  return String(schema.type ?? "value");
}

function rows(schema: Schema, prefix: string): string[] {
  const out: string[] = [];
  if (!isSchema(schema.properties)) return out;
  const required = Array.isArray(schema.required) ? schema.required : [];
  for (const [name, part] of Object.entries(schema.properties)) {
    if (!isSchema(part)) continue;
    const path = `${prefix}${name}`;
    const structured = part.type === "object" || part.type === "array";
    const fallback =
      "default" in part && !(structured && JSON.stringify(part.default).length <= 2) ? `\`${JSON.stringify(part.default)}\`` : "";
    const words = [String(part.description ?? ""), required.includes(name) ? "**Required.**" : ""].filter((w) => w !== "").join(" ");
    const cells = [`\`${path}\``, typeWords(part), fallback, words].map((cell) => cell.replaceAll("|", "\\|"));
    out.push(`| ${cells.join(" | ")} |`);
    if (isSchema(part.properties)) out.push(...rows(part, `${path}.`));
    if (isSchema(part.items)) out.push(...rows(part.items, `${path}[].`));
    for (const choice of Array.isArray(part.anyOf) ? part.anyOf.filter(isSchema) : []) out.push(...rows(choice, `${path}.`));
  }
  return out;
}

/** The schema with every reference replaced by what it refers to; keys beside `$ref` win. */
function inlined(value: unknown, file: string, schemas: ReadonlyMap<string, Schema>): unknown {
  if (Array.isArray(value)) return value.map((part) => inlined(part, file, schemas));
  if (!isSchema(value)) return value;
  const { $ref, ...own } = value;
  if (typeof $ref !== "string") return Object.fromEntries(Object.entries(own).map(([key, part]) => [key, inlined(part, file, schemas)]));
  const found = target($ref, file, schemas);
  return { ...(inlined(found.schema, found.file, schemas) as Schema), ...own };
}

/** The page of the reference manual for one schema: a table of every key. */
export function reference(file: string, schemas: ReadonlyMap<string, Schema>): string {
  const schema = inlined(schemas.get(file), file, schemas) as Schema;
  return `<!-- Generated from schema/ by \`npm run generate\`. Do not edit. -->
# ${String(schema.title)}

${String(schema.description)}

| key | type | default | meaning |
|---|---|---|---|
${rows(schema, "").join("\n")}
`;
}
