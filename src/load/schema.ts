import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve as resolvePath } from "node:path";
import type { ErrorObject } from "ajv";
import { feature, type HostPath, launch, layout, manifest, measurements, profile } from "../../compiled/validators.js";
import { HalError, type Location } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { halRoot } from "../lib/paths.js";
import { fileOf, type MapTree, originsOf, toPlain, treeAt } from "./tree.js";

export const documentKinds = ["profile", "layout", "feature"] as const;
export type DocumentKind = (typeof documentKinds)[number];

/** The JSON Schema files of hal, by name without `.schema.json`. */
export function schemaNames(): string[] {
  return readdirSync(join(halRoot, "schema"))
    .filter((file) => file.endsWith(".schema.json"))
    .map((file) => file.replace(".schema.json", ""))
    .sort();
}

/** The text of one JSON Schema. */
export function schemaText(name: string): string {
  return readFileSync(join(halRoot, "schema", `${name}.schema.json`), "utf8");
}

/** The schemas that describe a file. */
const validators = { profile, layout, feature, launch, manifest, measurements };
type FileKind = keyof typeof validators;

interface Checked {
  readonly value: unknown;
  readonly hostPaths: readonly HostPath[];
  readonly errors: readonly ErrorObject[];
}

/** Validates a copy of a value; the copy has the defaults of its schema filled in. */
function check(value: unknown, kind: FileKind): Checked {
  const hostPaths: HostPath[] = [];
  const validator = validators[kind];
  return { value, hostPaths, errors: validator.call({ hostPaths }, value) ? [] : (validator.errors ?? []) };
}

/** Checks a tree against the schema of its kind; throws the first problem in file order. */
export function validate(tree: MapTree, kind: DocumentKind): void {
  const { errors } = check(toPlain(tree), kind);
  if (errors.length > 0) throw located(tree, errors);
}

/** The plain value with every default of the schema filled in and every host path made absolute. */
export function complete<T>(tree: MapTree, kind: DocumentKind): T {
  const { value, hostPaths, errors } = check(toPlain(tree), kind);
  if (errors.length > 0) throw located(tree, errors);
  const origins = originsOf(tree);
  // A relative path is relative to the file that names it (DESIGN 4); after merging, only the origin knows which.
  for (const { pointer, parent, key } of hostPaths) {
    const at = origins.get(pointer);
    const file = at === undefined ? undefined : fileOf(at);
    parent[key] = resolvePath(file === undefined ? process.cwd() : dirname(file), String(parent[key]));
  }
  return value as T;
}

/** Checks a plain value that hal itself wrote (launch.json and the like); problems have JSON pointers, not lines. */
export function validatePlain(value: unknown, kind: FileKind, file: string): void {
  const [error] = check(structuredClone(value), kind).errors;
  if (error === undefined) return;
  throw new HalError("input", `${error.instancePath}: ${error.message ?? "does not match its schema"}`, { at: { file } });
}

interface Problem {
  readonly at: Location;
  readonly message: string;
  readonly remedy?: string;
}

function located(tree: MapTree, errors: readonly ErrorObject[]): HalError {
  const problems = errors.filter(isTelling).map((error) => describe(tree, error));
  const [first] = problems.sort((a, b) => (a.at.line ?? 0) - (b.at.line ?? 0) || (a.at.column ?? 0) - (b.at.column ?? 0));
  if (first === undefined) return new HalError("input", "does not match its schema", { at: tree.at });
  return new HalError("input", first.message, { at: first.at, ...(first.remedy === undefined ? {} : { remedy: first.remedy }) });
}

/** A failed branch of an alternative says little: the alternative's own error stands for its branches. */
function isTelling(error: ErrorObject): boolean {
  if (/\/(anyOf|oneOf)\/\d+\//.test(error.schemaPath)) return false;
  return error.keyword !== "if";
}

function describe(tree: MapTree, error: ErrorObject): Problem {
  const node = treeAt(tree, error.instancePath) ?? tree;
  const name = error.instancePath.slice(1).replaceAll("/", ".");
  const what = name === "" ? "this file" : `'${name}'`;
  const meaning = (error.parentSchema as { description?: string } | undefined)?.description;
  const remedy = meaning === undefined ? {} : { remedy: meaning };
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(error.params.additionalProperty);
      const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {});
      const guess = nearest(key, known);
      const at = node.type === "map" ? (node.entries.get(key)?.keyAt ?? node.at) : node.at;
      const hint = guess === undefined ? `known keys: ${known.join(", ")}` : `did you mean '${guess}'?`;
      return { at, message: `unknown key '${key}'${name === "" ? "" : ` in ${what}`}`, remedy: hint };
    }
    case "propertyNames":
    case "pattern": {
      const key = error.propertyName ?? (error.keyword === "propertyNames" ? String(error.params.propertyName) : undefined);
      if (key !== undefined) {
        const at = node.type === "map" ? (node.entries.get(key)?.keyAt ?? node.at) : node.at;
        return { at, message: `'${key}' cannot be a key of ${what}`, ...remedy };
      }
      return { at: node.at, message: `${what} has a value that is not allowed: ${quote(error.data)}`, ...remedy };
    }
    case "required":
      return { at: node.at, message: `${what} lacks '${String(error.params.missingProperty)}'` };
    case "enum": {
      const allowed = (error.params.allowedValues as unknown[]).map(String);
      const guess = nearest(String(error.data), allowed);
      const hint = guess === undefined ? "" : `; did you mean '${guess}'?`;
      return {
        at: node.at,
        message: `${what} is ${quote(error.data)}, which is not one of its values`,
        remedy: `one of ${allowed.join(", ")}${hint}`,
      };
    }
    case "const":
      return { at: node.at, message: `${what} must be '${String(error.params.allowedValue)}', not ${quote(error.data)}` };
    case "type": {
      const type = String(error.params.type);
      const hint = type === "string" && typeof error.data !== "object" ? "put it in quotes" : meaning;
      return {
        at: node.at,
        message: `${what} must be ${typeNames[type] ?? type}, not ${typeOf(error.data)}`,
        ...(hint === undefined ? {} : { remedy: hint }),
      };
    }
    case "oneOf": {
      const keys = ((error.schema as { required?: string[] }[]) ?? []).flatMap((branch) => branch.required ?? []);
      return { at: node.at, message: `${what} needs exactly one of ${keys.map((key) => `'${key}'`).join(", ")}` };
    }
    default:
      return { at: node.at, message: `${what} ${error.message ?? "is wrong"}`, ...remedy };
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "a map of keys and values",
};

function typeOf(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : `the ${typeof value} ${quote(value)}`;
}

/** A value as a message shows it, cut to a length that fits a line. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
