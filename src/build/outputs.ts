import { randomBytes } from "node:crypto";
import { readFile, realpath, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { canonicalJson, sha256 } from "../lib/digest.js";
import { cacheRoot, makeDirectory } from "../lib/paths.js";

/**
 * The record of one image directory, in the caller's cache. A repository can contain any file below `out/`, but it
 * cannot contain this one: so hal uses only a work directory that the record names, and only an image whose digests it
 * contains.
 */
export interface OutputRecord {
  /** The random part of the work directory's name. */
  readonly work?: string | undefined;
  /** The image that hal published last. */
  readonly published?: PublishedState | undefined;
}

/** The state of a published image. */
export interface PublishedState {
  /** SHA-256 of manifest.json. */
  readonly manifest: string;
  /** Each artifact with its digest and its state. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly state: string }>>;
}

/** The file of the record. Its name is a digest of the image directory's real path. */
export async function recordOf(outDir: string, name: string): Promise<string> {
  return join(cacheRoot(), "outputs", `${sha256(join(await realPathOf(resolve(outDir)), name))}.json`);
}

/** The real path of a directory whose last parts may not exist yet. */
async function realPathOf(path: string): Promise<string> {
  return realpath(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" || dirname(path) === path) throw error;
    return join(await realPathOf(dirname(path)), basename(path));
  });
}

/** The record; empty when there is none, or the file is damaged. */
export async function readRecord(file: string): Promise<OutputRecord> {
  try {
    const { work, published } = JSON.parse(await readFile(file, "utf8")) as OutputRecord;
    return { work: typeof work === "string" ? work : undefined, published: isState(published) ? published : undefined };
  } catch {
    return {};
  }
}

function isState(value: unknown): value is PublishedState {
  return typeof value === "object" && value !== null && "files" in value && typeof value.files === "object" && value.files !== null;
}

/** Replaces parts of the record by a rename, so the file is always complete. */
export async function updateRecord(file: string, change: OutputRecord): Promise<void> {
  const fresh = `${file}.${randomBytes(8).toString("hex")}`;
  await makeDirectory(dirname(file));
  await writeFile(fresh, canonicalJson({ ...(await readRecord(file)), ...change }), { flag: "wx", mode: 0o600 });
  await rename(fresh, file);
}
