import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../lib/digest.js";
import { runOrExplain } from "../../lib/failures.js";
import { inNamespace } from "../../lib/namespace.js";
import { shellQuote } from "../../lib/tools.js";
import { type Cache, entry } from "./cache.js";
import { type Lock, packagesDigest } from "./lock.js";
import type { TreeTool } from "./packages.js";
import { debFile } from "./pool.js";
import type { TreeOptions } from "./root.js";

const libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd"];

/** The place of a tools tree in the cache. */
export function toolsDir(lock: Lock, tools: readonly TreeTool[], cache: Cache): string {
  return join(cache.tools, sha256(`${cache.tools} ${packagesDigest(lock.tools)} ${tools.map((tool) => wrapper(tool, "")).join("")}`));
}

/**
 * HOST_DIR: tools of the image's own suite, unpacked and never installed, so that the bytes of an image do not depend
 * on the host's versions of them. `bin/TOOL` runs `tree/…/TOOL` with the tree's own loader, libraries and configuration.
 */
export function toolsTree(lock: Lock, tools: readonly TreeTool[], options: TreeOptions): Promise<string> {
  const { cache } = options;
  const dir = toolsDir(lock, tools, cache);
  return entry(cache, dir, async (fresh) => {
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
  });
}

/** Unpacks packages into a directory as one command; nothing of them is run. */
export async function unpack(debs: readonly string[], dir: string, { log, signal }: TreeOptions): Promise<void> {
  const script = 'dir=$1; shift; for deb; do dpkg-deb --extract "$deb" "$dir"; done';
  await runOrExplain(inNamespace({ tool: "sh", args: ["-euc", script, "sh", dir, ...debs] }), "unpacking packages", { log, signal });
}

/** It names the tree by its final, absolute path: scripts call tools through links of their own (kmod as modprobe). */
function wrapper({ path, env, interpreter }: TreeTool, tree: string): string {
  const within = (part: string): string => shellQuote(join(tree, part));
  const program = interpreter === undefined ? within(path) : `${within(interpreter)} ${within(path)}`;
  const loader = `${within("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")} --inhibit-cache --library-path ${shellQuote(libraries.map((dir) => join(tree, dir)).join(":"))}`;
  const exports = Object.entries(env ?? {}).map(([name, value]) => `export ${name}=${within(value)}\n`);
  return `#!/bin/sh\n${exports.join("")}exec ${loader} --argv0 "$0" ${program} "$@"\n`;
}
