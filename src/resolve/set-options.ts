import { parseDocument } from "yaml";
import { HalError, type Location } from "../lib/errors.js";
import { parseYaml } from "../load/load.js";
import { validate } from "../load/schema.js";
import { type MapTree, mergeTrees, type Tree, treeAt } from "../load/tree.js";

/**
 * Applies each `key.path=value` of `--set` to a profile. A value is YAML. A list in it replaces the list of the profile.
 * @throws HalError "input" for a setting without this form, or for a value that the schema refuses
 */
export function applySettings(tree: MapTree, settings: readonly string[]): MapTree {
  let result = tree;
  for (const setting of settings) {
    const equals = setting.indexOf("=");
    const where: Location = { file: `--set ${equals < 0 ? setting : setting.slice(0, equals)}` };
    const path = setting.slice(0, Math.max(equals, 0)).split(".");
    if (equals <= 0 || path.includes(""))
      throw new HalError("input", "does not have the form key.path=value", { at: where, remedy: "for example: --set launch.memory=4G" });
    const text = setting.slice(equals + 1);
    const applyValue = (value: string): MapTree => {
      // Only the key `value` is used, so text that adds further keys has no effect.
      const parsed = treeAt(parseYaml(`value: ${value}`, where.file), "/value");
      if (parsed === undefined) throw new HalError("input", "has no value", { at: where });
      const nested = path.reduceRight(
        (inner: Tree, key): Tree => ({ type: "map", at: where, replace: false, entries: new Map([[key, { keyAt: where, value: inner }]]) }),
        asReplacement(parsed),
      );
      const merged = relocate(mergeTrees(result, nested), where) as MapTree;
      validate(merged, "profile");
      return { ...merged, at: result.at };
    };
    const quoted = JSON.stringify(text);
    const plain = parseDocument(text).contents === null || text.trim() !== text || /\n|^[&*!|>%@`]|\s#/.test(text) ? quoted : text;
    try {
      result = applyValue(plain);
    } catch (error) {
      // YAML reads `2026.02` as a number, but the schema requires text for buildroot.version. The quoted value is text.
      if (!(error instanceof HalError) || plain === quoted) throw error;
      try {
        result = applyValue(quoted);
      } catch {
        throw error;
      }
    }
  }
  return result;
}

/** Marks every list of a `--set` value, so that merging replaces the old list instead of appending to it. */
function asReplacement(tree: Tree): Tree {
  if (tree.type === "list") return { ...tree, replace: true };
  if (tree.type === "scalar") return tree;
  return { ...tree, entries: new Map([...tree.entries].map(([key, entry]) => [key, { ...entry, value: asReplacement(entry.value) }])) };
}

/** Sets the location of each value from the command line to its `--set` option, because the value has no line. */
function relocate(tree: Tree, where: Location): Tree {
  const place = (at: Location): Location => (at.file === where.file ? where : at);
  if (tree.type === "list") return { ...tree, at: place(tree.at), items: tree.items.map((item) => relocate(item, where)) };
  if (tree.type === "scalar") return { ...tree, at: place(tree.at) };
  const entries = [...tree.entries].map(
    ([key, entry]) => [key, { keyAt: place(entry.keyAt), value: relocate(entry.value, where) }] as const,
  );
  return { ...tree, at: place(tree.at), entries: new Map(entries) };
}
