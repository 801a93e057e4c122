import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { halRoot } from "../lib/paths.js";
import type { DocumentKind } from "./schema.js";

const folders: Readonly<Record<DocumentKind, string>> = { profile: "profiles", layout: "layouts", feature: "features" };

/**
 * Where a name is looked up: in the repository of the file that uses it, beside that file, in the working directory, then in hal's own.
 * The repository of `profiles/p.yaml` is the folder above; that of any other file is its own folder, and nothing above it is looked at.
 */
function searchFolders(kind: DocumentKind, from: string | undefined): string[] {
  const folder = folders[kind];
  return [...new Set([...(from === undefined ? [] : besides(folder, dirname(from))), resolve(folder), join(halRoot, folder)])];
}

function besides(folder: string, home: string): string[] {
  const repository = Object.values(folders).includes(basename(home)) ? dirname(home) : home;
  return [join(repository, folder), home];
}

function isPath(reference: string): boolean {
  return reference.includes("/") || /\.ya?ml$/.test(reference);
}

/**
 * The YAML file that a name or a path means.
 * @param from the file that uses the name; it is never its own answer, so a profile can extend hal's of the same name
 * @param at where the name stands, for the error
 * @throws HalError "input" when there is none, with the nearest name
 */
export function findDocument(kind: DocumentKind, reference: string, from: string | undefined, at: Location): string {
  if (isPath(reference)) {
    const file = isAbsolute(reference) ? reference : resolve(from === undefined ? "." : dirname(from), reference);
    if (existsSync(file)) return file;
    throw new HalError("input", `${kind} file '${reference}' does not exist`, { at });
  }
  for (const folder of searchFolders(kind, from)) {
    const file = join(folder, `${reference}.yaml`);
    if (file !== from && existsSync(file)) return file;
  }
  const known = listDocuments(kind, from).map((entry) => entry.name);
  const guess = nearest(reference, known);
  throw new HalError("input", `no ${kind} is called '${reference}'`, {
    at,
    remedy: guess === undefined ? `known: ${known.join(", ")}` : `did you mean '${guess}'?`,
  });
}

/** Every document of a kind that a name can mean, sorted by name; the first folder that has a name wins. */
export function listDocuments(kind: DocumentKind, from?: string): { readonly name: string; readonly file: string }[] {
  const found = new Map<string, string>();
  for (const folder of searchFolders(kind, from)) {
    if (!existsSync(folder) || basename(folder) !== folders[kind]) continue;
    for (const entry of readdirSync(folder)) {
      const name = entry.replace(/\.yaml$/, "");
      if (entry.endsWith(".yaml") && !found.has(name)) found.set(name, join(folder, entry));
    }
  }
  return [...found].map(([name, file]) => ({ name, file })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
