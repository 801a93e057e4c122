import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Workspace } from "../backends/backend.js";
import { files } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { refuseLink } from "../lib/links.js";
import { makeDirectory } from "../lib/paths.js";
import type { Manifest } from "../model/generated.js";
import { lock } from "./lock.js";
import { recordPublished } from "./record.js";

/** The directories and files of one image's builds, on the filesystem of its image directory. */
function pathsOf(outDir: string, name: string) {
  const out = resolve(outDir); // child processes run in other directories
  const at = (kind: string): string => join(out, ".hal", `${name}.${kind}`);
  return {
    target: join(out, name),
    staging: at("new"),
    old: at("old"),
    workDir: at("work"),
    log: at("log"),
    lockFile: at("lock"),
    record: at("record"),
  };
}

/** A workspace that this process has locked until it is released. */
export interface Staging extends Workspace {
  release(): Promise<void>;
}

/**
 * Prepares to build `out/<name>`: locks it and removes the files of a killed build.
 * @throws HalError "command" when another build of it is running
 */
export async function stage(outDir: string, name: string): Promise<Staging> {
  const { target, staging, old, workDir, log, lockFile } = pathsOf(outDir, name);
  const own = dirname(lockFile);
  await refuseLink(own);
  await makeDirectory(own);
  const unlock = await lock(lockFile, target);
  try {
    // A build was killed between the two renames of publish(): the old image is complete, so it is restored.
    if (!existsSync(target) && existsSync(old)) await rename(old, target);
    for (const left of [old, staging, log]) await rm(left, { recursive: true, force: true });
    await refuseLink(workDir);
    for (const dir of [staging, workDir]) await mkdir(dir, { recursive: true });
  } catch (error) {
    await unlock();
    throw error;
  }
  return {
    log,
    workDir,
    externalTree: join(workDir, "external"),
    staging,
    async release() {
      await rm(staging, { recursive: true, force: true });
      await unlock();
    },
  };
}

/**
 * Refuses a place for the image directory whose files a build would delete, or that cannot be a directory.
 * @throws HalError "input"
 */
export async function refuseTarget(outDir: string, name: string): Promise<void> {
  const { target, workDir } = pathsOf(outDir, name);
  for (const path of [dirname(workDir), workDir, target]) await refuseLink(path);
  const remedy = "give another directory with --out";
  let here = resolve(outDir);
  while (!existsSync(here)) here = dirname(here);
  if (!(await stat(here)).isDirectory()) throw new HalError("input", `${here} is not a directory`, { at: { file: outDir }, remedy });
  const found: readonly string[] | undefined = await readdir(target).catch((error: NodeJS.ErrnoException) =>
    error.code === "ENOENT" ? [] : undefined,
  );
  if (found === undefined) throw new HalError("input", "is not a directory that hal can read", { at: { file: target }, remedy });
  if (found.length === 0 || found.includes(files.manifest)) return;
  throw new HalError("input", "contains files that hal did not write, and a build replaces the whole directory", {
    at: { file: target },
    remedy: `move the files away, or ${remedy}`,
  });
}

/** The record of a published image's state. */
export function recordOf(outDir: string, name: string): string {
  return pathsOf(outDir, name).record;
}

/** Replaces the image directory by the staging directory: the old one is renamed away, the new one is renamed in. */
export async function publish(outDir: string, name: string, manifest: Manifest): Promise<void> {
  const { target, staging, old, log, record } = pathsOf(outDir, name);
  await copyFile(log, join(staging, files.log));
  if (existsSync(target)) await rename(target, old);
  await rename(staging, target);
  await rm(old, { recursive: true, force: true });
  await recordPublished(target, record, manifest);
}
