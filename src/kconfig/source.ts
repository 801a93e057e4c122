import { readFileSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import fastGlob from "fast-glob";
import { HalError, type Location } from "../lib/errors.js";

/** Ten times larger than any real Kconfig file. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * Replaces `$(NAME)`, `${NAME}` and `$NAME` by their values.
 * @throws HalError "input" for a name without a value
 */
export function expandVariables(text: string, values: (name: string) => string | undefined, at: Location): string {
  return text.replace(/\$\(([\w-]+)\)|\$\{(\w+)\}|\$(\w+)/g, (whole, a?: string, b?: string, c?: string) => {
    const value = values(a ?? b ?? c ?? "");
    if (value === undefined) {
      throw new HalError("input", `'${whole}' has no value`, { at, remedy: "define it in the environment of the Kconfig run" });
    }
    return value;
  });
}

/**
 * The files of a `source` statement: one file, or the files that match a pattern, sorted by name.
 * @throws HalError "input" when a file that is not optional does not exist
 */
export function sourcedFiles(path: string, root: string, at: Location, optional: boolean): readonly string[] {
  const absolute = isAbsolute(path) ? path : resolve(root, path);
  if (/[*?[]/.test(path)) return fastGlob.sync(absolute, { dot: true, onlyFiles: true }).sort();
  const exists = statSync(absolute, { throwIfNoEntry: false })?.isFile() === true;
  if (!exists && !optional) throw new HalError("input", `no such Kconfig file: ${path}`, { at });
  return exists ? [absolute] : [];
}

/**
 * The text of a Kconfig file.
 * @param at the `source` line, for errors
 * @param within the directories that must contain the file; an error quotes lines of a file, so it could publish a secret
 */
export function readSource(file: string, at: Location, within?: readonly string[]): string {
  const info = statSync(file, { throwIfNoEntry: false });
  if (info?.isFile() !== true) throw new HalError("input", `no such Kconfig file: ${file}`, { at });
  const { size } = info;
  const real = realpathSync(file);
  if (within?.some((dir) => real.startsWith(`${realpathSync(dir)}/`)) === false)
    throw new HalError("input", `the Kconfig file ${file} is outside of ${within.join(", ")}`, { at });
  if (size > MAX_FILE_BYTES) throw new HalError("input", `${file} is not a Kconfig file: ${size} bytes`, { at });
  const text = readFileSync(file, "utf8");
  if (text.includes("\0")) throw new HalError("input", `${file} is not a Kconfig file: it contains NUL bytes`, { at });
  return text;
}

/** A file's name in messages: relative to the tree if the file is inside. */
export function displayName(file: string, root: string): string {
  const name = relative(root, file);
  return name.startsWith("..") || isAbsolute(name) ? file : name;
}
