import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeTree } from "../../lib/namespace.js";
import { note } from "../../lib/terminal.js";
import { treeDigest } from "./tree-digest.js";

/** The debian backend's parts of the cache; the name of an entry is a digest of its inputs. */
export interface Cache {
  /** Private apt state, one for each set of sources. */
  readonly apt: string;
  /** Recorded package sets, one for each request. */
  readonly locks: string;
  /** `SHA256.deb`. */
  readonly pool: string;
  /** Root trees, by packages and options. */
  readonly root: string;
  readonly tools: string;
  readonly kernel: string;
  /** `SUITE/PACKAGE/VERSION/SHA256.fd` */
  readonly firmware: string;
  /** Unfinished work of running builds. */
  readonly tmp: string;
}

/** The parts of a cache directory. Each is created with its first entry. */
export function cacheAt(cacheDir: string): Cache {
  const at = (name: string): string => join(cacheDir, "debian", name);
  return {
    apt: at("apt"),
    locks: at("locks"),
    pool: at("pool"),
    root: at("trees/root"),
    tools: at("trees/tools"),
    kernel: at("trees/kernel"),
    firmware: at("firmware"),
    tmp: at("tmp"),
  };
}

/** Runs `work` with a temporary directory and removes the directory afterwards. */
export async function withScratch<T>(cache: Cache, work: (dir: string) => Promise<T>): Promise<T> {
  await mkdir(cache.tmp, { recursive: true });
  const dir = await mkdtemp(join(cache.tmp, `${await processes()}.${process.pid}.${await startOf(process.pid)}.`));
  try {
    return await work(dir);
  } finally {
    await removeTree(dir);
  }
}

/** Longer than any build. */
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Removes temporary directories of killed builds. A build in another container is invisible to hal, so its directory is
 * removed only when it is a day old.
 */
export async function sweep(cache: Cache): Promise<void> {
  for (const name of await readdir(cache.tmp).catch(() => [])) {
    const dir = join(cache.tmp, name);
    const [namespace, pid = "", started] = name.split(".");
    const isLeft = namespace === (await processes()) ? (await startOf(pid)) !== started : (await ageOf(dir)) > DAY_MS;
    if (isLeft) await removeTree(dir);
  }
}

async function ageOf(dir: string): Promise<number> {
  return stat(dir).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0, // another process has removed it
  );
}

/** The identifier of this process's PID namespace (pid_namespaces(7)). */
async function processes(): Promise<string> {
  return (await readlink("/proc/self/ns/pid")).replace(/\D/g, "");
}

/**
 * The start time of a process, from /proc/PID/stat (proc(5), field 22). It distinguishes a process from an earlier one
 * with the same PID.
 * @returns clock ticks since the host's boot, as text; undefined when the process does not exist
 */
async function startOf(pid: number | string): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

/** The tree of an entry, and the digest that was computed when the tree was made. Packages' scripts run inside the tree only. */
const partsOf = (path: string) => ({ tree: treeOf(path), digest: join(path, "digest") });

/** The path of an entry's tree. */
export function treeOf(path: string): string {
  return join(path, "tree");
}

/**
 * Returns the tree of a cache entry, and makes it first when it does not exist. The tree is made in a temporary directory
 * and renamed, so an entry is complete or absent. When two builds make the same entry at once, the first one is kept.
 * Every use of an entry reads the whole tree and compares its digest. A damaged entry is removed and made again.
 * @param make makes the tree in a directory that does not exist yet
 */
export async function entry(cache: Cache, path: string, make: (fresh: string) => Promise<void>, signal?: AbortSignal): Promise<string> {
  const { tree } = partsOf(path);
  if (await isIntact(path, signal)) return tree;
  await withScratch(cache, async (dir) => {
    await discard(path, dir);
    const fresh = join(dir, "tree");
    await make(fresh);
    await keep(fresh, path, dir, signal);
  });
  return tree;
}

/** Whether an entry exists, and its tree is the one that was made. */
async function isIntact(path: string, signal?: AbortSignal): Promise<boolean> {
  const { tree, digest } = partsOf(path);
  const expected = await readFile(digest, "utf8").catch(() => undefined);
  return expected !== undefined && expected.trimEnd() === (await treeDigest(tree, signal));
}

/** Moves a damaged entry away, if there is one. */
async function discard(path: string, dir: string): Promise<void> {
  if (!existsSync(path)) return;
  note(`${path} in the cache is damaged; hal makes it again`);
  await rename(path, join(dir, "damaged")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error; // another build has moved it away
  });
}

/**
 * Makes a finished tree an entry of the cache.
 * @param dir a temporary directory on the same filesystem
 */
async function keep(fresh: string, path: string, dir: string, signal?: AbortSignal): Promise<void> {
  const digest = await treeDigest(fresh, signal);
  if (digest === undefined) throw new Error(`the new tree ${fresh} cannot be read`);
  const whole = join(dir, "entry");
  await mkdir(whole);
  await rename(fresh, partsOf(whole).tree);
  await writeFile(partsOf(whole).digest, `${digest}\n`);
  await mkdir(dirname(path), { recursive: true });
  await putInPlace(whole, path);
}

/** Renames a directory, unless another build has already created the target. */
async function putInPlace(fresh: string, path: string): Promise<void> {
  try {
    await rename(fresh, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}

/** Writes a file of the cache by a rename, so it is complete or absent. */
export async function writeWhole(cache: Cache, file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await withScratch(cache, async (dir) => {
    await writeFile(join(dir, "file"), text);
    await rename(join(dir, "file"), file);
  });
}
