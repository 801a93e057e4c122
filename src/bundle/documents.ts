import { lstatSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { canonicalJson } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { validatePlain } from "../load/schema.js";
import type { Launch, Manifest, Measurements } from "../model/generated.js";
import { files } from "./files.js";
import { imageFile, readImageFile } from "./open.js";

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
  const value = await readJson(dir, files[kind]);
  validatePlain(value, kind, join(dir, files[kind]));
  return value as Documents[Kind];
}

/** Bytes. The largest document is a manifest with thousands of packages and files, far below this. */
const MOST_DOCUMENT_BYTES = 16 * 1024 * 1024;

async function readJson(dir: string, name: string): Promise<unknown> {
  const at = { file: join(dir, name) };
  const bytes = await readImageFile(dir, name, MOST_DOCUMENT_BYTES).catch((error: unknown) => {
    if (!(error instanceof HalError) || error.message !== "does not exist") throw error;
    throw new HalError("input", error.message, { at, remedy: "give an image directory of hal build, such as out/sev-snp" });
  });
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HalError("input", "not valid JSON", { at });
  }
  if (!isOrdinary(value)) throw new HalError("input", `contains a number that is too large, or more than ${MOST_LEVELS} levels`, { at });
  if (keysOf(value) !== [...text.matchAll(KEY)].filter(([, colon]) => colon !== undefined).length)
    throw new HalError("input", "contains a key twice, and readers choose different values", { at });
  return value;
}

/** No document has more than ten levels. A recursive function, such as a validator, runs out of stack after some thousand. */
const MOST_LEVELS = 64;

/** A string of JSON, with the colon that makes it a key (RFC 8259, sections 4 and 7). */
const KEY = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/** The number of keys of all objects of a JSON value. */
function keysOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const parts = Object.values(value);
  return (Array.isArray(value) ? 0 : parts.length) + parts.reduce((sum: number, part) => sum + keysOf(part), 0);
}

/** Whether a JSON value has few levels and only finite numbers: JSON.parse reads 1e400 as Infinity, which canonical JSON cannot write. */
function isOrdinary(value: unknown, levels = MOST_LEVELS): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((part) => isOrdinary(part, levels - 1));
}

/** Whether a package of the manifest is the kernel, by the name that Buildroot or Debian gives it. */
export function isKernel({ name }: { readonly name: string }): boolean {
  return name === "linux" || name.startsWith("linux-image");
}

/**
 * Refuses launch metadata whose files are not regular files of the directory, before anything starts from it.
 * @param dir the directory of launch.json
 * @param missing `accept` accepts files that do not exist: a printed command can run on another machine
 * @throws HalError "input" as `imageFile`
 */
export function requireFiles(
  dir: string,
  { kernel, initrd, eif, drives, firmware }: Omit<Launch, "argv">,
  missing: "refuse" | "accept" = "refuse",
): void {
  for (const file of [kernel, initrd, eif, ...drives, firmware, firmware?.vars]) {
    // Only the caller gives an absolute path; hal has checked it.
    if (file === undefined || isAbsolute(file.path)) continue;
    if (missing === "refuse" || entryExists(join(dir, file.path))) imageFile(dir, file.path);
  }
}

const entryExists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
