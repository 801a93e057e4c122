import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { artifactSha256 } from "../bundle/digest.js";
import { files } from "../bundle/files.js";
import { canonicalJson, sha256 } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import type { Manifest } from "../model/generated.js";

/**
 * The state of a published image, in a file outside its image directory. A file whose state is unchanged has the digest
 * that it was recorded with, so hal does not hash it again, as git does with its index. User programs cannot set the
 * time of the last status change (stat(2), st_ctime).
 */
interface StateRecord {
  /** SHA-256 of manifest.json. */
  readonly manifest: string;
  /** Each artifact with its digest and its state. */
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly state: string }>>;
}

/** The kernel's clock for times of files advances every 1 to 10 ms: two writes within one tick get the same time. */
const TICKS_MS = 20;

const SECOND_NS = 1_000_000_000n;

/** The state of a file; undefined on a filesystem that stores whole seconds, where a later write may leave it unchanged. */
async function stateOf(file: string): Promise<string | undefined> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
  return ctimeNs % SECOND_NS === 0n ? undefined : [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}

/** Whether a published image is complete and unchanged. */
export interface Check {
  /** The first file whose bytes are not those of the manifest; undefined when all files are right. */
  readonly changed: string | undefined;
  /** Files were hashed: recording the state again makes the next check fast. */
  readonly hashed: boolean;
}

/** Checks every file of an image directory against its manifest. Hashes the files whose state differs from the record. */
export async function checkPublished(dir: string, recordFile: string, { artifacts }: Manifest, signal?: AbortSignal): Promise<Check> {
  const [record, states] = await Promise.all([
    readRecord(recordFile),
    Promise.all(artifacts.map(({ name }) => stateOf(join(dir, name)).catch(() => undefined))),
  ]);
  if (record !== undefined && record.manifest !== (await manifestDigest(dir))) return { changed: files.manifest, hashed: true };
  let hashed = record === undefined;
  for (const [index, artifact] of artifacts.entries()) {
    const file = join(dir, artifact.name);
    const [known, state] = [record?.files[artifact.name], states[index]];
    if (state !== undefined && known?.state === state && known.sha256 === artifact.sha256) continue;
    hashed = true;
    if (!(await hasDigest(file, artifact, signal))) return { changed: artifact.name, hashed };
  }
  return { changed: undefined, hashed };
}

async function hasDigest(file: string, artifact: Manifest["artifacts"][number], signal?: AbortSignal): Promise<boolean> {
  try {
    const { size } = await stat(file);
    return size === artifact.size && (await artifactSha256(file, artifact, { signal })) === artifact.sha256;
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
  const record: StateRecord = {
    manifest: await manifestDigest(dir),
    files: Object.fromEntries(await Promise.all(states)),
  };
  try {
    await rm(recordFile, { force: true });
    await writeFile(recordFile, canonicalJson(record), { flag: "wx" });
  } catch {
    // for example a read-only filesystem: without a record, the next build hashes the files
  }
}

async function manifestDigest(dir: string): Promise<string> {
  return sha256(await readFile(join(dir, files.manifest)));
}

async function readRecord(file: string): Promise<StateRecord | undefined> {
  try {
    const value = JSON.parse(await readFile(file, "utf8")) as Partial<StateRecord> | null;
    return typeof value?.files === "object" && value.files !== null ? (value as StateRecord) : undefined;
  } catch {
    return undefined; // none, or damaged: all files are hashed
  }
}
