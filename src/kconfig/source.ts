import { readFileSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import fastGlob from "fast-glob";
import { HalError, type Location } from "../lib/errors.js";

/** Larger than any Kconfig file that exists by an order of magnitude. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** `$(NAME)`, `${NAME}` and `$NAME` replaced; a name without a value is an error, as it never names a file. */
export function expandVariables(text: string, values: (name: string) => string | undefined, at: Location): string {
  return text.replace(/\$\(([\w-]+)\)|\$\{(\w+)\}|\$(\w+)/g, (whole, a?: string, b?: string, c?: string) => {
    const value = values(a ?? b ?? c ?? "");
    if (value === undefined) {
      throw new HalError("input", `'${whole}' has no value here`, { at, remedy: "give it in the environment that Kconfig is read with" });
    }
    return value;
  });
}

/** The files that a `source` means, in order: one, or those that match a pattern, sorted by name. */
export function sourcedFiles(path: string, root: string, at: Location, optional: boolean): readonly string[] {
  const absolute = isAbsolute(path) ? path : resolve(root, path);
  if (/[*?[]/.test(path)) return fastGlob.sync(absolute, { dot: true, onlyFiles: true }).sort();
  const exists = statSync(absolute, { throwIfNoEntry: false })?.isFile() === true;
  if (!exists && !optional) throw new HalError("input", `no such Kconfig file: ${path}`, { at });
  return exists ? [absolute] : [];
}

/** The file's text; `at` is the line that asked for it. */
export function readSource(file: string, at: Location): string {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new HalError("input", `no such Kconfig file: ${file}`, { at });
  if (size > MAX_FILE_BYTES) throw new HalError("input", `${file} is not a Kconfig file: ${size} bytes`, { at });
  const text = readFileSync(file, "utf8");
  if (text.includes("\0")) throw new HalError("input", `${file} is not a Kconfig file: it has NUL bytes`, { at });
  return text;
}

/** A file as messages name it: relative to the tree when it is inside. */
export function displayName(file: string, root: string): string {
  const name = relative(root, file);
  return name.startsWith("..") || isAbsolute(name) ? file : name;
}
