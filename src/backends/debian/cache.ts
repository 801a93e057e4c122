import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeTree } from "../../lib/namespace.js";

/** The parts of the cache that the debian backend keeps, all addressed by content. */
export interface Cache {
  /** Private apt state, by its sources. */
  readonly apt: string;
  /** Recorded package sets, by what was asked for. */
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

/** Where they are; each is made when something is put into it. */
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

/** Gives `work` a directory of its own and removes it afterwards. */
export async function withScratch<T>(cache: Cache, work: (dir: string) => Promise<T>): Promise<T> {
  await mkdir(cache.tmp, { recursive: true });
  const dir = await mkdtemp(join(cache.tmp, `${await processes()}.${process.pid}.${await startOf(process.pid)}.`));
  try {
    return await work(dir);
  } finally {
    await removeTree(dir);
  }
}

/** No build takes as long. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** Removes what killed builds left; where hal cannot see whether they run, in another container, only what is a day old. */
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
    () => 0, // gone by now
  );
}

/** The namespace that process ids are of (pid_namespaces(7)). */
async function processes(): Promise<string> {
  return (await readlink("/proc/self/ns/pid")).replace(/\D/g, "");
}

/**
 * When a process began, from /proc/PID/stat (proc(5), field 22): tells a reused process id from the process that had it before.
 * @returns clock ticks since the host's boot, as text; undefined when there is no such process
 */
async function startOf(pid: number | string): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return text?.slice(text.lastIndexOf(")") + 2).split(" ")[19];
}

/**
 * A cache entry: made once, under another name, and put in place by one rename, so that it is whole or not there.
 * Two builds may make the same entry at once; the first one stands.
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

/** Renames; a directory that somebody else has put there first is left alone. */
export async function putInPlace(fresh: string, path: string): Promise<void> {
  try {
    await rename(fresh, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
  }
}

/** Writes a small file of the cache, whole or not at all. */
export async function writeWhole(cache: Cache, file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await withScratch(cache, async (dir) => {
    await writeFile(join(dir, "file"), text);
    await rename(join(dir, "file"), file);
  });
}
