import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import fg from "fast-glob";
import { sha256 } from "../../lib/digest.js";
import { HalError } from "../../lib/errors.js";
import { runOrExplain } from "../../lib/failures.js";
import { inSandbox } from "../../lib/namespace.js";
import { cleanEnvironment } from "../../lib/tools.js";
import type { Modules } from "../../render/modules.js";
import { type Cache, entry } from "./cache.js";
import { type Lock, packagesDigest } from "./lock.js";
import { debFile } from "./pool.js";
import type { TreeOptions } from "./root.js";
import { unpack } from "./tools-tree.js";

/** An unpacked kernel. Its maintainer scripts have not run. */
export interface Kernel {
  /** The release, as `uname -r` prints it. */
  readonly version: string;
  readonly image: string;
  /** lib/modules/VERSION of the unpacked package. */
  readonly modulesDir: string;
}

/** The place of a package set's kernel in the cache. */
export function kernelDir(lock: Lock, cache: Cache): string {
  return join(cache.kernel, sha256(packagesDigest(lock.kernel)));
}

/** The kernel of a package set, unpacked, or from the cache. */
export async function kernelTree(lock: Lock, options: TreeOptions): Promise<Kernel> {
  const { cache } = options;
  const make = async (fresh: string): Promise<void> => {
    await options.fetch(lock.kernel);
    await mkdir(fresh);
    await unpack(
      lock.kernel.map((locked) => debFile(cache, locked)),
      fresh,
      options,
    );
  };
  const dir = await entry(cache, kernelDir(lock, cache), make, options.signal);
  const image = (await readdir(join(dir, "boot"))).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw new HalError("command", `no kernel image in ${lock.kernel.map(({ name }) => name).join(", ")}`);
  const version = image.slice("vmlinuz-".length);
  const modulesDir = [join(dir, "usr/lib/modules", version), join(dir, "lib/modules", version)].find((path) => existsSync(path));
  if (modulesDir === undefined)
    throw new HalError("command", `no modules for ${version} in ${lock.kernel.map(({ name }) => name).join(", ")}`);
  return { version, image: join(dir, "boot", image), modulesDir };
}

/** A module's name with `_` for every `-`: file names and modprobe's arguments mix both (modprobe(8)). */
function moduleName(file: string): string {
  return basename(file)
    .replace(/\.ko(\.[a-z0-9]+)?$/, "")
    .replaceAll("-", "_");
}

/**
 * The files of modules and of their dependencies (`depends`, and `softdep pre`), relative to the kernel's module
 * directory, sorted. A module that is built into the kernel needs no file.
 * @throws HalError "input" for a name that is neither a module of this kernel nor built in
 */
export async function moduleFiles(
  { early, boot }: Modules,
  kernel: Kernel,
  hostDir: string,
  { log, signal }: TreeOptions,
): Promise<readonly string[]> {
  const files = new Map((await fg("kernel/**/*.ko*", { cwd: kernel.modulesDir })).map((file) => [moduleName(file), file]));
  const builtin = new Set((await readFile(join(kernel.modulesDir, "modules.builtin"), "utf8")).split("\n").map(moduleName));
  const wanted = new Set<string>();
  const names = [...early, ...boot];
  for (let todo = names.map(moduleName); todo.length > 0; ) {
    const fresh = [...new Set(todo)].filter((name) => !builtin.has(name) && !wanted.has(name));
    const lacking = fresh.find((name) => !files.has(name));
    if (lacking !== undefined) throw lackingModule(lacking, names, kernel);
    if (fresh.length === 0) break;
    for (const name of fresh) wanted.add(name);
    const paths = fresh.map((name) => join(kernel.modulesDir, files.get(name) ?? ""));
    const command = { tool: join(hostDir, "bin/modinfo"), args: paths, env: cleanEnvironment({ LC_ALL: "C" }) };
    const sandboxed = inSandbox(command, { ids: "one", read: [hostDir, kernel.modulesDir], write: [] });
    const { stdout } = await runOrExplain(sandboxed, "reading module dependencies", { log, signal });
    todo = [...stdout.matchAll(/^depends: +(.*)$/gm)]
      .flatMap(([, list = ""]) => list.split(",").filter((name) => name !== ""))
      .map(moduleName);
    for (const [, list = ""] of stdout.matchAll(/^softdep: +pre: ([^:]*?)(?: post:.*)?$/gm)) {
      // A soft dependency may be missing. The name of an algorithm is an alias of the module with its C implementation.
      const soft = list.split(/\s+/).map(moduleName);
      todo.push(...soft.flatMap((name) => [name, `${name}_generic`]).filter((name) => files.has(name)));
    }
  }
  return [...wanted].map((name) => files.get(name) ?? "").sort();
}

function lackingModule(lacking: string, names: readonly string[], kernel: Kernel): HalError {
  const asked = names.find((name) => moduleName(name) === lacking) ?? lacking;
  const remedy = kernel.version.includes("cloud")
    ? "set debian.kernel: generic, a kernel with more modules"
    : "remove it from kernel.modules, or remove the feature that needs it";
  return new HalError("input", `Debian's kernel ${kernel.version} has no module '${asked}'`, { remedy });
}
