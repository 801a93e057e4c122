import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { digestArtifact } from "../bundle/digest.js";
import { isUnlisted } from "../bundle/files.js";
import type { FileDigest } from "../lib/digest.js";

/** Digests a file while `work` reads it. Returns no digest if the file does not exist or `work` has changed it. */
export async function digestBeside(work: Promise<void>, dir: string, name: string, signal?: AbortSignal): Promise<readonly FileDigest[]> {
  const file = join(dir, name);
  const before = await stat(file, { bigint: true }).catch(() => undefined);
  const [digest] = await Promise.all([before === undefined ? undefined : digestArtifact(file, name, signal), work]);
  if (before === undefined || digest === undefined) return [];
  const after = await stat(file, { bigint: true });
  return after.ino === before.ino && after.mtimeNs === before.mtimeNs && after.size === before.size ? [digest] : [];
}

/** Digests every file of an image directory that its manifest lists, by name. Files with a known digest are not read. */
export async function digestAll(dir: string, known: readonly FileDigest[], signal?: AbortSignal): Promise<FileDigest[]> {
  const names = (await readdir(dir)).filter((name) => !isUnlisted(name)).sort();
  return Promise.all(
    names.map(async (name) => known.find((entry) => entry.name === name) ?? digestArtifact(join(dir, name), name, signal)),
  );
}
