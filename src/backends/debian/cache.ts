import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeTree } from "../../lib/namespace.js";

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
    root: at("root"),
    tools: at("tools"),
    kernel: at("kernel"),
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

/**
 * Returns a cache entry, and makes it first when it does not exist. It is made in a temporary directory and renamed, so
 * an entry is complete or absent. When two builds make the same entry at once, the first one is kept.
 */
export async function entry(cache: Cache, path: string, make: (fresh: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  await withScratch(cache, async (dir) => {
    const fresh = join(dir, "entry");
    await make(fresh);
    await mkdir(dirname(path), { recursive: true });
    await putInPlace(fresh, path);
  });
  return path;
}

/** Renames a directory, unless another build has already created the target. */
export async function putInPlace(fresh: string, path: string): Promise<void> {
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
