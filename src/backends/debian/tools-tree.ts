import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../../digest.js";
import { HalError } from "../../errors.js";
import { entry } from "./cache.js";
import { runOrExplain } from "./failures.js";
import { type Lock, packagesDigest } from "./lock.js";
import type { TreeTool } from "./packages.js";
import { debFile } from "./pool.js";
import type { TreeOptions } from "./root.js";

const libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/systemd"];

/**
 * HOST_DIR: tools of the image's own suite, unpacked and never installed, so that the bytes of an image do not depend
 * on the host's versions of them. `bin/TOOL` runs `tree/…/TOOL` with the tree's own loader, libraries and configuration.
 */
export function toolsTree(lock: Lock, tools: readonly TreeTool[], options: TreeOptions): Promise<string> {
  const { cache } = options;
  const wrappers = tools.flatMap((tool) => tool.names.map((name) => ({ name, text: wrapper(tool) })));
  const key = sha256(`${packagesDigest(lock.tools)}${JSON.stringify(wrappers)}`);
  return entry(cache, join(cache.tools, key), async (fresh) => {
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
    for (const { name, text } of wrappers) {
      await writeFile(join(fresh, "bin", name), text);
      await chmod(join(fresh, "bin", name), 0o755);
    }
  });
}

/** Unpacks packages into a directory as one command; nothing of them is run. */
export async function unpack(debs: readonly string[], dir: string, { log, signal }: TreeOptions): Promise<void> {
  const script = 'umask 022; dir=$1; shift; for deb; do dpkg-deb --extract "$deb" "$dir"; done';
  await runOrExplain({ tool: "sh", args: ["-euc", script, "sh", dir, ...debs] }, "unpacking packages", { log, signal });
}

/** @throws HalError for a path that a shell script in double quotes could not hold (the table has none) */
function wrapper({ path, env, interpreter }: TreeTool): string {
  const program = interpreter === undefined ? `"$tree/${path}"` : `"$tree/${interpreter}" "$tree/${path}"`;
  const text = [
    "#!/bin/sh",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell expands it
    "tree=${0%/*}/../tree",
    ...Object.entries(env ?? {}).map(
      ([name, value]) =>
        `export ${name}="${value
          .split(":")
          .map((part) => `$tree/${part}`)
          .join(":")}"`,
    ),
    `exec "$tree/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --inhibit-cache --library-path "${libraries.map((dir) => `$tree/${dir}`).join(":")}" --argv0 "$0" ${program} "$@"`,
  ].join("\n");
  if (/[`\\]/.test(text)) throw new HalError("bug", `a tool's path cannot be quoted: ${path}`);
  return `${text}\n`;
}
