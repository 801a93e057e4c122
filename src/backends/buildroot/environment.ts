import { join } from "node:path";
import { cleanEnvironment } from "../../lib/tools.js";
import { type BoundCommand, type BuildrootDirs, boundCommand, seenByMake } from "./dirs.js";
import type { BuildrootTree } from "./source.js";

/** The user's shell in the build directory, with make's environment and the build's tools first on PATH. */
export function shellCommand(tree: BuildrootTree, dirs: BuildrootDirs): BoundCommand {
  const { buildrootOutput } = seenByMake;
  const env = makeEnvironment();
  const names = { BUILD_DIR: "build", HOST_DIR: "host", STAGING_DIR: "staging", TARGET_DIR: "target", BINARIES_DIR: "images" };
  const shell = {
    tool: process.env.SHELL ?? "/bin/sh",
    args: [],
    cwd: buildrootOutput,
    env: {
      ...env,
      ...Object.fromEntries(Object.entries(names).map(([name, dir]) => [name, join(buildrootOutput, dir)])),
      PATH: `${buildrootOutput}/host/bin:${buildrootOutput}/host/sbin:${env.PATH ?? ""}`,
      TERM: process.env.TERM ?? "dumb",
    },
  };
  return boundCommand(shell, tree, dirs, { network: true, downloads: true });
}

/**
 * One `make` in Buildroot.
 * @param options.network the command has a network; default false
 * @param options.downloads the command may write to the download directory; default as `network`
 */
export function makeCommand(
  tree: BuildrootTree,
  dirs: BuildrootDirs,
  args: readonly string[],
  { jobs, network = false, downloads = network }: { readonly jobs?: number; readonly network?: boolean; readonly downloads?: boolean } = {},
): BoundCommand {
  const { tree: directory, buildrootOutput, external } = seenByMake;
  const make = {
    tool: "make",
    args: ["-C", directory, `O=${buildrootOutput}`, `BR2_EXTERNAL=${external}`, ...(jobs === undefined ? [] : [`-j${jobs}`]), ...args],
    env: makeEnvironment(),
  };
  return boundCommand(make, tree, dirs, { network, downloads });
}

/** Excludes the caller's environment, because Buildroot passes its whole environment to every package and every hook. */
function makeEnvironment(): Record<string, string> {
  const { TMPDIR: _, XDG_CACHE_HOME: __, XDG_RUNTIME_DIR: ___, ...env } = cleanEnvironment();
  return { ...env, HOME: "/tmp", USER: "build", LOGNAME: "build", BR2_DL_DIR: seenByMake.downloads };
}
