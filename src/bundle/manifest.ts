import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { validatePlain } from "../load/schema.js";
import type { Launch, Manifest } from "../model/generated.js";

/** Files in `out/P` that the manifest cannot list: itself, and the log, which has times in it. */
export const UNLISTED = ["manifest.json", "build.log"];

/** Whether a package of the manifest is the kernel: Buildroot's name of it, or Debian's. */
export function isKernel({ name }: { readonly name: string }): boolean {
  return name === "linux" || name.startsWith("linux-image");
}

/**
 * Reads `out/P/manifest.json`.
 * @throws HalError "input" when it is not there or does not match its schema
 */
export async function readManifest(dir: string): Promise<Manifest> {
  const file = join(dir, "manifest.json");
  const value = await readJson(file);
  validatePlain(value, "manifest", file);
  return value as Manifest;
}

/**
 * Reads `out/P/launch.json`.
 * @throws HalError "input" when it is not there or does not match its schema
 */
export async function readLaunch(dir: string): Promise<Launch> {
  const file = join(dir, "launch.json");
  const value = await readJson(file);
  validatePlain(value, "launch", file);
  return value as Launch;
}

/**
 * Refuses launch metadata whose files are not there, before anything is started with it.
 * @param dir the folder of launch.json
 */
export function requireFiles(dir: string, { kernel, initrd, eif, drives, firmware }: Omit<Launch, "argv">): void {
  const named = [kernel, initrd, eif, ...drives, firmware, firmware?.vars].flatMap((file) => (file === undefined ? [] : [file.path]));
  const missing = named.map((path) => resolve(dir, path)).find((file) => !existsSync(file));
  if (missing !== undefined)
    throw new HalError("input", "does not exist, and launch.json starts it", { at: { file: missing }, remedy: "build the image again" });
}

/** Reads a JSON file that hal wrote into an output directory. */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read: ${code}`;
    throw new HalError("input", why, { at: { file }, remedy: "give an output directory of hal build, such as out/sev-snp" });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new HalError("input", "not valid JSON", { at: { file } });
  }
}
