import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { canonicalJson } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { validatePlain } from "../load/schema.js";
import type { Launch, Manifest, Measurements } from "../model/generated.js";
import { files } from "./files.js";

/** The JSON documents of an image directory: each has a schema of the same name. */
interface Documents {
  readonly launch: Launch;
  readonly measurements: Measurements;
  readonly manifest: Manifest;
}

/**
 * Writes a document of an image directory: the bytes depend on the value alone.
 * @param flag `wx` leaves a file alone that exists, with an error (open(2): O_EXCL)
 */
export async function writeDocument<Kind extends keyof Documents>(
  dir: string,
  kind: Kind,
  document: Documents[Kind],
  flag: "w" | "wx" = "w",
): Promise<void> {
  await writeFile(join(dir, files[kind]), canonicalJson(document), { flag });
}

/**
 * Reads `manifest.json` of an image directory.
 * @throws HalError "input" when it does not exist or does not match its schema
 */
export function readManifest(dir: string): Promise<Manifest> {
  return readDocument(dir, "manifest");
}

/**
 * Reads `launch.json` of an image directory.
 * @throws HalError "input" when it does not exist or does not match its schema
 */
export function readLaunch(dir: string): Promise<Launch> {
  return readDocument(dir, "launch");
}

/**
 * Reads `measurements.json` of an image directory.
 * @throws HalError "input" when it does not exist or does not match its schema
 */
export function readMeasurements(dir: string): Promise<Measurements> {
  return readDocument(dir, "measurements");
}

async function readDocument<Kind extends keyof Documents>(dir: string, kind: Kind): Promise<Documents[Kind]> {
  const file = join(dir, files[kind]);
  const value = await readJson(file);
  validatePlain(value, kind, file);
  return value as Documents[Kind];
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read: ${code}`;
    throw new HalError("input", why, { at: { file }, remedy: "give an image directory of hal build, such as out/sev-snp" });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new HalError("input", "not valid JSON", { at: { file } });
  }
}

/** Whether a package of the manifest is the kernel, by the name that Buildroot or Debian gives it. */
export function isKernel({ name }: { readonly name: string }): boolean {
  return name === "linux" || name.startsWith("linux-image");
}

/**
 * Refuses launch metadata whose files do not exist, before anything starts from it.
 * @param dir the directory of launch.json
 */
export function requireFiles(dir: string, { kernel, initrd, eif, drives, firmware }: Omit<Launch, "argv">): void {
  const named = [kernel, initrd, eif, ...drives, firmware, firmware?.vars].flatMap((file) => (file === undefined ? [] : [file.path]));
  const missing = named.map((path) => resolve(dir, path)).find((file) => !existsSync(file));
  if (missing !== undefined)
    throw new HalError("input", "does not exist, and launch.json starts it", { at: { file: missing }, remedy: "build the image again" });
}
