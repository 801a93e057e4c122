import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve as resolvePath } from "node:path";
import type { ErrorObject } from "ajv";
import { feature, type HostPath, launch, layout, manifest, measurements, profile } from "../../compiled/validators.js";
import { HalError, type Location } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { halRoot } from "../lib/paths.js";
import type { DocumentKind } from "./kinds.js";
import { refuseOutside } from "./outside.js";
import { fileOf, type MapTree, originsOf, toPlain, treeAt } from "./tree.js";

/** The names of hal's JSON Schemas: the file names without `.schema.json`, sorted. */
export function schemaNames(): string[] {
  return readdirSync(join(halRoot, "schema"))
    .filter((file) => file.endsWith(".schema.json"))
    .map((file) => file.replace(".schema.json", ""))
    .sort();
}

/** The text of a JSON Schema. */
export function schemaText(name: string): string {
  return readFileSync(join(halRoot, "schema", `${name}.schema.json`), "utf8");
}

/** The schemas that describe a file. */
const validators = { profile, layout, feature, launch, manifest, measurements };
type FileKind = keyof typeof validators;

interface Validation {
  readonly hostPaths: readonly HostPath[];
  readonly errors: readonly ErrorObject[];
}

/** Validates a value and fills in the schema's defaults, in place. */
function validateInPlace(value: unknown, kind: FileKind): Validation {
  const hostPaths: HostPath[] = [];
  const validator = validators[kind];
  return { hostPaths, errors: validator.call({ hostPaths }, value) ? [] : (validator.errors ?? []) };
}

/**
 * Checks a tree against the schema of its kind.
 * @throws HalError "input" for the first problem in file order
 */
export function validate(tree: MapTree, kind: DocumentKind): void {
  const { errors } = validateInPlace(toPlain(tree), kind);
  if (errors.length > 0) throw located(tree, errors);
}

/**
 * The plain value with the schema's defaults filled in and every host path made absolute.
 * @param allowOutside accepts a path out of the tree of the file that names it
 * @throws HalError "input" for the first problem in file order, and for such a path (refuseOutside)
 */
export function complete<T>(tree: MapTree, kind: DocumentKind, allowOutside: boolean): T {
  const value = toPlain(tree);
  const { hostPaths, errors } = validateInPlace(value, kind);
  if (errors.length > 0) throw located(tree, errors);
  const origins = originsOf(tree);
  // A relative path is relative to the file that names it (DESIGN 4). After merging, only the value's origin still has that file.
  for (const { pointer, parent, key } of hostPaths) {
    const at = origins.get(pointer);
    const file = at === undefined ? undefined : fileOf(at);
    const path = resolvePath(file === undefined ? process.cwd() : dirname(file), String(parent[key]));
    if (at !== undefined) refuseOutside(path, at, allowOutside);
    parent[key] = path;
  }
  return value as T;
}

/**
 * Checks a JSON file that hal wrote, such as launch.json.
 * @throws HalError "input" with the JSON pointer of the first problem; JSON has no line numbers here
 */
export function validatePlain(value: unknown, kind: FileKind, file: string): void {
  const [error] = validateInPlace(structuredClone(value), kind).errors;
  if (error === undefined) return;
  throw new HalError("input", `${error.instancePath || "the document"}: ${error.message ?? "does not match its schema"}`, { at: { file } });
}

interface Problem {
  readonly at: Location;
  readonly message: string;
  readonly remedy?: string;
}

function located(tree: MapTree, errors: readonly ErrorObject[]): HalError {
  const problems = errors.filter(isSpecific).map((error) => problemOf(tree, error));
  const [first] = problems.sort((a, b) => (a.at.line ?? 0) - (b.at.line ?? 0) || (a.at.column ?? 0) - (b.at.column ?? 0));
  if (first === undefined) return new HalError("input", "does not match its schema", { at: tree.at });
  return new HalError("input", first.message, { at: first.at, ...(first.remedy === undefined ? {} : { remedy: first.remedy }) });
}

/** False for an error inside a branch of `anyOf` or `oneOf`: the error of the `anyOf` or `oneOf` itself is reported instead. */
function isSpecific(error: ErrorObject): boolean {
  if (/\/(anyOf|oneOf)\/\d+\//.test(error.schemaPath)) return false;
  return error.keyword !== "if";
}

/** The place and the message of a validation error. The remedy is usually the description in the schema. */
function problemOf(tree: MapTree, error: ErrorObject): Problem {
  const node = treeAt(tree, error.instancePath) ?? tree;
  const name = error.instancePath.slice(1).replaceAll("/", ".");
  const what = name === "" ? "this file" : `'${name}'`;
  const description = (error.parentSchema as { description?: string } | undefined)?.description;
  const remedy = description === undefined ? {} : { remedy: description };
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(error.params.additionalProperty);
      const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {});
      const removed = removedKeys.find(({ pointer }) => pointer.test(`${error.instancePath}/${key}`));
      const guess = nearest(key, known);
      const at = node.type === "map" ? (node.entries.get(key)?.keyAt ?? node.at) : node.at;
      if (removed !== undefined) return { at, message: `${what} cannot have the key '${key}': ${removed.why}`, remedy: removed.remedy };
      const hint = guess === undefined ? `known keys: ${known.join(", ")}` : `did you mean '${guess}'?`;
      return { at, message: `unknown key '${key}'${name === "" ? "" : ` in ${what}`}`, remedy: hint };
    }
    case "propertyNames":
    case "pattern": {
      const key = error.propertyName ?? (error.keyword === "propertyNames" ? String(error.params.propertyName) : undefined);
      if (key !== undefined) {
        const at = node.type === "map" ? (node.entries.get(key)?.keyAt ?? node.at) : node.at;
        return { at, message: `'${key}' is not allowed as a key of ${what}`, ...remedy };
      }
      return { at: node.at, message: `${what} has the value ${quote(error.data)}, which is not allowed`, ...remedy };
    }
    case "required":
      return { at: node.at, message: `${what} lacks the key '${String(error.params.missingProperty)}'` };
    case "enum": {
      const allowed = (error.params.allowedValues as unknown[]).map(String);
      const guess = nearest(String(error.data), allowed);
      const hint = guess === undefined ? "" : `; did you mean '${guess}'?`;
      return {
        at: node.at,
        message: `${what} has the value ${quote(error.data)}, which is not one of the allowed values`,
        remedy: `allowed: ${allowed.join(", ")}${hint}`,
      };
    }
    case "const":
      return { at: node.at, message: `${what} must be '${String(error.params.allowedValue)}', not ${quote(error.data)}` };
    case "type": {
      const type = String(error.params.type);
      const hint = type === "string" && typeof error.data !== "object" ? "put it in quotes" : description;
      return {
        at: node.at,
        message: `${what} must be ${typeNames[type] ?? type}, not ${typeOf(error.data)}`,
        ...(hint === undefined ? {} : { remedy: hint }),
      };
    }
    case "oneOf": {
      const keys = ((error.schema as { required?: string[] }[]) ?? []).flatMap((branch) => branch.required ?? []);
      return { at: node.at, message: `${what} must have exactly one of the keys ${keys.map((key) => `'${key}'`).join(", ")}` };
    }
    default:
      return { at: node.at, message: `${what} ${error.message ?? "is not valid"}`, ...remedy };
  }
}

/** Keys that earlier versions of hal accepted. */
const removedKeys: readonly { readonly pointer: RegExp; readonly why: string; readonly remedy: string }[] = [
  {
    pointer: /^\/launch\/shares\/\d+\/path$/,
    why: "an image cannot choose a directory of the host that starts it",
    remedy: "remove the key, and give the directory at launch: hal run --share TAG=PATH",
  },
];

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

/** A value in a message, shortened to 60 characters. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
