import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { HalError, type Location } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { halRoot } from "../lib/paths.js";
import { type DocumentKind, folders } from "./kinds.js";

/**
 * The folders that a name is looked up in, in order: the repository of the file that uses the name, the folder of that file, the working
 * directory, hal's own. The repository of `profiles/p.yaml` is the folder that contains `profiles`; the repository of a file elsewhere is
 * the file's folder.
 */
function searchFolders(kind: DocumentKind, from: string | undefined): string[] {
  const folder = folders[kind];
  return [...new Set([...(from === undefined ? [] : foldersNear(folder, dirname(from))), resolve(folder), join(halRoot, folder)])];
}

function foldersNear(folder: string, home: string): string[] {
  const repository = Object.values(folders).includes(basename(home)) ? dirname(home) : home;
  return [join(repository, folder), home];
}

function isPath(reference: string): boolean {
  return reference.includes("/") || /\.ya?ml$/.test(reference);
}

/**
 * Finds the YAML file for a name or a path.
 * @param from the file that uses the name. It is never the result, so a profile can extend hal's profile of the same name.
 * @param at the place of the name, for the error
 * @throws HalError "input" when no file is found; the remedy suggests the nearest name
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
  throw new HalError("input", `there is no ${kind} '${reference}'`, {
    at,
    remedy: guess === undefined ? `known: ${known.join(", ")}` : `did you mean '${guess}'?`,
  });
}

/** Every document of a kind that can be named, sorted by name. Of two files with the same name the first folder's wins. */
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
