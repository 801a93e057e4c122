import { randomBytes } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { access, copyFile, lstat, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Workspace } from "../backends/backend.js";
import { files } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { refuseLink, refuseLinks } from "../lib/links.js";
import { removeTree } from "../lib/namespace.js";
import { makeDirectory } from "../lib/paths.js";
import type { Manifest } from "../model/generated.js";
import { lock } from "./lock.js";
import { readRecord, recordOf, updateRecord } from "./outputs.js";
import { hasManifest, recordPublished } from "./record.js";

/** The directories and files of one image's builds, on the filesystem of its image directory. */
function pathsOf(outDir: string, name: string) {
  const out = resolve(outDir); // child processes run in other directories
  const own = join(out, ".hal");
  const at = (kind: string): string => join(own, `${name}.${kind}`);
  return { target: join(out, name), own, staging: at("new"), old: at("old"), log: at("log"), lockFile: at("lock") };
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
  const { target, own, staging, old, log, lockFile } = pathsOf(outDir, name);
  await makePrivate(own);
  const unlock = await lock(lockFile, target);
  try {
    const recordFile = await recordOf(outDir, name);
    const { published } = await readRecord(recordFile);
    // A build was killed between the two renames of publish(): the old image is complete, so it is restored.
    if (!existsSync(target) && published !== undefined && (await hasManifest(old, published))) await rename(old, target);
    for (const left of [old, staging, log]) await rm(left, { recursive: true, force: true });
    await mkdir(staging);
    const workDir = await makeWorkDir(own, name, recordFile);
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
  } catch (error) {
    await unlock();
    throw error;
  }
}

/**
 * Makes hal's own directory. Only the caller can enter it: programs of a profile write below it, and a set-uid program
 * there would give its owner's rights to every user who can run it.
 * @throws HalError "input" for a link, and for a directory of another user
 */
async function makePrivate(own: string): Promise<void> {
  await refuseLink(own);
  await makeDirectory(own);
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const handle = await open(own, flags).catch((error: NodeJS.ErrnoException) => {
    throw new HalError("input", `is not a directory that hal can use: ${error.code}`, { at: { file: own }, remedy: "remove it" });
  });
  try {
    if ((await handle.stat()).uid !== process.geteuid?.())
      throw new HalError("input", "belongs to another user", { at: { file: own }, remedy: "give a directory of your own with --out" });
    await handle.chmod(0o700);
  } finally {
    await handle.close();
  }
}

/**
 * The work directory that the record names, else a new one. Its name is random, so a repository cannot contain files
 * that hal takes for those of an earlier build.
 */
async function makeWorkDir(own: string, name: string, recordFile: string): Promise<string> {
  const known = await knownWorkDir(own, name, recordFile);
  if (known !== undefined) return known;
  for (const entry of await readdir(own)) {
    const [start, random = ""] = [entry.slice(0, name.length + 5), entry.slice(name.length + 5)];
    if (start === `${name}.work` && /^(-[0-9a-f]{32})?$/.test(random)) await removeWorkDir(join(own, entry));
  }
  const work = randomBytes(16).toString("hex");
  await updateRecord(recordFile, { work });
  const workDir = join(own, `${name}.work-${work}`);
  await mkdir(workDir);
  return workDir;
}

/** Files of the debian backend can belong to ids of a sandbox. A user who only uses the buildroot backend needs no such ids. */
async function removeWorkDir(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true }).catch(() => removeTree(dir));
}

/** Undefined when the record names no work directory, when it does not exist, and when a link is in the place of one of hal's files. */
async function knownWorkDir(own: string, name: string, recordFile: string): Promise<string | undefined> {
  const { work = "" } = await readRecord(recordFile);
  if (!/^[0-9a-f]{32}$/.test(work)) return undefined;
  const dir = join(own, `${name}.work-${work}`);
  if (!(await lstat(dir).catch(() => undefined))?.isDirectory()) return undefined;
  const entries = await readdir(dir, { withFileTypes: true });
  return entries.some((entry) => entry.isSymbolicLink()) ? undefined : dir;
}

/** The work directory of the last build; undefined when there is none. */
export async function workDirOf(outDir: string, name: string): Promise<string | undefined> {
  const { own } = pathsOf(outDir, name);
  await refuseLink(own);
  return knownWorkDir(own, name, await recordOf(outDir, name));
}

/** procfs, sysfs, cgroup and cgroup2 (Linux include/uapi/linux/magic.h): for root they look writable. */
const KERNEL_FILESYSTEMS: ReadonlySet<number> = new Set([0x9fa0, 0x62656572, 0x27e0eb, 0x63677270]);

/**
 * Refuses a place for the image directory whose files a build would delete, or that cannot be a directory.
 * @throws HalError "input"
 */
export async function refuseTarget(outDir: string, name: string): Promise<void> {
  const { target, own } = pathsOf(outDir, name);
  // A repository can contain `out` as a link. An absolute path is the caller's own.
  if (!isAbsolute(outDir) && !outDir.split("/").includes("..")) await refuseLinks(process.cwd(), outDir);
  for (const path of [own, target]) await refuseLink(path);
  const remedy = "give another directory with --out";
  let here = resolve(outDir);
  while (!existsSync(here)) here = dirname(here);
  if (!(await stat(here)).isDirectory()) throw new HalError("input", `${here} is not a directory`, { at: { file: outDir }, remedy });
  const { type } = await statfs(here);
  const writable = await access(here, constants.W_OK).then(
    () => !KERNEL_FILESYSTEMS.has(type),
    () => false,
  );
  if (!writable) throw new HalError("input", `no directory can be created in ${here}`, { at: { file: outDir }, remedy });
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

/** Replaces the image directory by the staging directory: the old one is renamed away, the new one is renamed in. */
export async function publish(outDir: string, name: string, manifest: Manifest): Promise<void> {
  const { target, staging, old, log } = pathsOf(outDir, name);
  await copyFile(log, join(staging, files.log));
  if (existsSync(target)) await rename(target, old);
  await rename(staging, target);
  await rm(old, { recursive: true, force: true });
  await recordPublished(target, await recordOf(outDir, name), manifest);
}
