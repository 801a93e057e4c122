import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { artifactSha256 } from "../bundle/digest.js";
import { files } from "../bundle/files.js";
import { sha256 } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { readRegular } from "../lib/regular-file.js";
import type { Manifest } from "../model/generated.js";
import { type PublishedState, readRecord, updateRecord } from "./outputs.js";

/** The kernel's clock for times of files advances every 1 to 10 ms: two writes within one tick get the same time. */
const TICKS_MS = 20;

const SECOND_NS = 1_000_000_000n;

/**
 * The state of a file. A file whose state is unchanged has the digest that it was recorded with, so hal does not hash it
 * again, as git does with its index. User programs cannot set the time of the last status change (stat(2), st_ctime).
 * Undefined on a filesystem that stores whole seconds, where a later write may leave it unchanged.
 */
async function stateOf(file: string): Promise<string | undefined> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await lstat(file, { bigint: true });
  return ctimeNs % SECOND_NS === 0n ? undefined : [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** Whether a published image is complete and unchanged. */
export interface Check {
  /** The first file whose bytes are not those of the manifest; undefined when all files are right. */
  readonly changed: string | undefined;
  /** Files were hashed: recording the state again makes the next check fast. */
  readonly hashed: boolean;
}

/**
 * Checks every file of an image directory against its manifest, and the manifest against the record. Hashes the files
 * whose state differs from the record.
 * @returns undefined when the record contains no image: somebody else can have made the directory
 */
export async function checkPublished(
  dir: string,
  recordFile: string,
  { artifacts }: Manifest,
  signal?: AbortSignal,
): Promise<Check | undefined> {
  const [{ published }, states] = await Promise.all([
    readRecord(recordFile),
    Promise.all(artifacts.map(({ name }) => stateOf(join(dir, name)).catch(() => undefined))),
  ]);
  if (published === undefined) return undefined;
  if (!(await hasManifest(dir, published))) return { changed: files.manifest, hashed: true };
  let hashed = false;
  for (const [index, artifact] of artifacts.entries()) {
    const file = join(dir, artifact.name);
    const [known, state] = [published.files[artifact.name], states[index]];
    if (state !== undefined && known?.state === state && known.sha256 === artifact.sha256) continue;
    hashed = true;
    if (!(await hasDigest(file, artifact, signal))) return { changed: artifact.name, hashed };
  }
  return { changed: undefined, hashed };
}

async function hasDigest(file: string, artifact: Manifest["artifacts"][number], signal?: AbortSignal): Promise<boolean> {
  try {
    const info = await lstat(file);
    return info.isFile() && info.size === artifact.size && (await artifactSha256(file, artifact, { signal })) === artifact.sha256;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof HalError || (error as NodeJS.ErrnoException).syscall !== undefined) return false;
    throw error;
  }
}

/** Records the state of an image directory whose files were just written or hashed. */
export async function recordPublished(dir: string, recordFile: string, { artifacts }: Manifest): Promise<void> {
  await sleep(TICKS_MS); // a write after this function then gets another time
  const states = artifacts.map(async ({ name, sha256 }) => [name, { sha256, state: (await stateOf(join(dir, name))) ?? "" }] as const);
  const published: PublishedState = {
    manifest: await manifestDigest(dir),
    files: Object.fromEntries(await Promise.all(states)),
  };
  await updateRecord(recordFile, { published }).catch(() => {}); // for example a read-only filesystem: the next build is not up to date
}

/** Whether a directory contains the manifest of the record. */
export async function hasManifest(dir: string, { manifest }: PublishedState): Promise<boolean> {
  if (!(await lstat(dir).catch(() => undefined))?.isDirectory()) return false;
  return manifest === (await manifestDigest(dir).catch(() => undefined));
}

async function manifestDigest(dir: string): Promise<string> {
  return sha256(await readRegular(join(dir, files.manifest), { follow: false, most: MOST_MANIFEST_BYTES }));
}

/** Bytes; far more than a manifest has. */
const MOST_MANIFEST_BYTES = 256 * 1024 * 1024;
