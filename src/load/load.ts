import { readFile, stat } from "node:fs/promises";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { HalError, type Location } from "../lib/errors.js";
import type { DocumentKind } from "./kinds.js";
import { validate } from "./schema.js";
import type { MapTree, Tree } from "./tree.js";

/** Larger than any profile that a person writes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Counted with aliases followed: a small file can expand to billions of values ("billion laughs"). */
const MAX_VALUES = 50_000;
const MAX_DEPTH = 64;

/**
 * Reads a YAML file and checks it against the schema of its kind.
 * @throws HalError "input" with file:line:col when the file cannot be read, is not YAML or does not match the schema
 */
export async function load(file: string, kind: DocumentKind): Promise<MapTree> {
  const text = await readText(file);
  const known = loaded.get(file);
  if (known?.text === text && known.kind === kind) return known.tree;
  const tree = parseYaml(text, file);
  validate(tree, kind);
  loaded.set(file, { text, kind, tree });
  return tree;
}

/** Files read before, by path: profiles share parents, layouts and features. A file whose text changed is parsed again. */
const loaded = new Map<string, { readonly text: string; readonly kind: DocumentKind; readonly tree: MapTree }>();

async function readText(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new HalError("input", "not a regular file", { at: { file } });
    if (info.size > MAX_FILE_BYTES) throw new HalError("input", `larger than ${MAX_FILE_BYTES} bytes`, { at: { file } });
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof HalError) throw error;
    throw new HalError("input", `cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { at: { file } });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new HalError("input", "not UTF-8 text", { at: { file } });
  }
}

/**
 * Parses YAML 1.2 text into a tree whose root is a map.
 * @throws HalError "input" with file:line:col
 */
export function parseYaml(text: string, file: string): MapTree {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error", uniqueKeys: true });
  const place = (offset: number): Location => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const [problem] = [...document.errors, ...document.warnings.filter((warning) => !warning.message.includes("!replace"))];
  if (problem !== undefined) {
    throw new HalError("input", `not valid YAML: ${problem.message.split("\n")[0] ?? problem.code}`, { at: place(problem.pos[0]) });
  }

  let values = 0;
  const at = (node: Node | null | undefined, fallback: Location): Location => (node?.range ? place(node.range[0]) : fallback);
  const convert = (node: Node | null, fallback: Location, depth: number): Tree => {
    const here = at(node, fallback);
    values += 1;
    if (values > MAX_VALUES) throw new HalError("input", `more than ${MAX_VALUES} values with aliases followed`, { at: here });
    if (depth > MAX_DEPTH) throw new HalError("input", `nested deeper than ${MAX_DEPTH} levels`, { at: here });
    if (node === null) return { type: "scalar", at: here, value: null };
    const tag = node.tag;
    if (tag?.startsWith("!") && tag !== "!replace") throw new HalError("input", `unknown tag ${tag}`, { at: here });
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined) throw new HalError("input", `unknown anchor '${node.source}'`, { at: here });
      return convert(target, here, depth + 1);
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => convert(item as Node | null, here, depth + 1));
      return { type: "list", at: here, replace: tag === "!replace", items };
    }
    if (isMap(node)) {
      const entries = new Map<string, { keyAt: Location; value: Tree }>();
      for (const pair of node.items) {
        const key = pair.key as Node | null;
        const keyAt = at(key, here);
        if (!isScalar(key) || (typeof key.value !== "string" && typeof key.value !== "number")) {
          throw new HalError("input", "a key must be text or a number", { at: keyAt });
        }
        const name = String(key.value);
        if (entries.has(name)) throw new HalError("input", `key '${name}' is given twice`, { at: keyAt });
        entries.set(name, { keyAt, value: convert(pair.value as Node | null, keyAt, depth + 1) });
      }
      return { type: "map", at: here, replace: tag === "!replace", entries };
    }
    if (isScalar(node)) {
      if (tag === "!replace")
        throw new HalError("input", "!replace is for a map or a list; a single value always replaces the inherited one", { at: here });
      const value = node.value;
      if (value === null || typeof value === "string" || typeof value === "boolean") return { type: "scalar", at: here, value };
      if (typeof value === "number" && Number.isFinite(value)) return { type: "scalar", at: here, value };
      throw new HalError("input", "expected text, a number, true or false", { at: here });
    }
    throw new HalError("input", "this kind of YAML value is not supported", { at: here });
  };

  const start: Location = { file, line: 1, column: 1 };
  const root = convert(document.contents as Node | null, start, 0);
  if (root.type !== "map") throw new HalError("input", "the file must be a map of keys and values", { at: root.at });
  return root;
}
