import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../lib/digest.js";
import { runOrExplain } from "../../lib/failures.js";
import { inSandbox, type Sandbox } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import { fill } from "../../render/templates.js";
import { type Cache, entry, treeOf } from "./cache.js";
import { type Lock, packagesDigest } from "./lock.js";
import type { TreeTool } from "./packages.js";
import { debFile } from "./pool.js";
import type { TreeOptions } from "./root.js";

const libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd"];

/** The path of a tools tree's entry in the cache. */
export function toolsDir(lock: Lock, tools: readonly TreeTool[], cache: Cache): string {
  return join(cache.tools, sha256(`${cache.tools} ${packagesDigest(lock.tools)} ${tools.map((tool) => wrapper(tool, "")).join("")}`));
}

/**
 * HOST_DIR: tools of the image's own suite, unpacked and never installed. So the bytes of an image do not depend on the
 * versions of the host's tools. `bin/TOOL` runs `tree/…/TOOL` with the tree's own loader, libraries and configuration.
 */
export function toolsTree(lock: Lock, tools: readonly TreeTool[], options: TreeOptions): Promise<string> {
  const { cache } = options;
  const path = toolsDir(lock, tools, cache);
  const dir = treeOf(path); // the wrappers name the final path
  const make = async (fresh: string): Promise<void> => {
    await options.fetch(lock.tools);
    const tree = join(fresh, "tree");
    await mkdir(tree, { recursive: true });
    await unpack(
      lock.tools.map((entry) => debFile(cache, entry)),
      tree,
      options,
    );
    await mkdir(join(fresh, "bin"));
    await symlink("bin", join(fresh, "sbin"));
    for (const tool of tools) {
      for (const name of tool.names) {
        await writeFile(join(fresh, "bin", name), wrapper(tool, join(dir, "tree")));
        await chmod(join(fresh, "bin", name), 0o755);
      }
    }
  };
  return entry(cache, path, make, options.signal);
}

/** Unpacks packages into a directory, without running their scripts. A fault of dpkg-deb can damage this directory only. */
export async function unpack(debs: readonly string[], dir: string, { cache, log, signal }: TreeOptions): Promise<void> {
  const args = [shellScript("debian/unpack-packages.sh"), dir, ...debs];
  const sandbox: Sandbox = { ids: "many", read: [shellScript("debian"), cache.pool], write: [dir] };
  await runOrExplain(inSandbox({ tool: "sh", args }, sandbox), "unpacking packages", { log, signal });
}

/**
 * The script HOST_DIR/bin/NAME. It names the tree by its final, absolute path, because scripts call tools through links of their
 * own (kmod as modprobe).
 */
export function wrapper({ path, env, interpreter }: TreeTool, tree: string): string {
  const within = (part: string): string => join(tree, part);
  const view = {
    exports: Object.entries(env ?? {}).map(([name, value]) => ({ name, value: within(value) })),
    loader: within("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    libraries: libraries.map(within).join(":"),
    // -B: Python writes no bytecode into the tree, whose digest would then change.
    program: [...(interpreter === undefined ? [] : [within(interpreter), "-B"]), within(path)],
  };
  return fill("debian/tool.sh", view, { file: tree });
}
