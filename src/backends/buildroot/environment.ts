import { join } from "node:path";
import { cleanEnvironment } from "../../lib/tools.js";
import { type BoundCommand, type BuildrootDirs, boundCommand, seenByMake } from "./dirs.js";
import type { BuildrootTree } from "./source.js";

/** The user's shell in the build directory, with make's environment and the build's tools first on PATH. */
export function shellCommand(tree: BuildrootTree, dirs: BuildrootDirs): BoundCommand {
  const { buildrootOutput } = seenByMake(tree, dirs);
  const env = makeEnvironment(tree, dirs);
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
  return boundCommand(shell, tree, dirs);
}

/** One `make` in Buildroot. */
export function makeCommand(
  tree: BuildrootTree,
  dirs: BuildrootDirs,
  args: readonly string[],
  options: { offline?: boolean; jobs?: number } = {},
): BoundCommand {
  const seen = seenByMake(tree, dirs);
  const jobs = options.jobs === undefined ? [] : [`-j${options.jobs}`];
  const make = {
    tool: "make",
    args: ["-C", seen.tree, `O=${seen.buildrootOutput}`, `BR2_EXTERNAL=${seen.external}`, ...jobs, ...args],
    env: makeEnvironment(tree, dirs, options.offline),
  };
  return boundCommand(make, tree, dirs);
}

/** Excludes the caller's environment, because Buildroot passes its whole environment to every package and every hook. */
function makeEnvironment(tree: BuildrootTree, dirs: BuildrootDirs, offline = false): Record<string, string> {
  const env = cleanEnvironment({ BR2_DL_DIR: seenByMake(tree, dirs).downloads });
  delete env.TMPDIR;
  // Without it the configure scripts of some packages (tar, coreutils) refuse to run as root.
  if (process.getuid?.() === 0) env.FORCE_UNSAFE_CONFIGURE = "1";
  // With --offline every download method gets a proxy that does not exist, or no permission, so all of them fail.
  if (offline) Object.assign(env, { http_proxy: "http://127.0.0.1:9", https_proxy: "http://127.0.0.1:9", GIT_ALLOW_PROTOCOL: "file" });
  return env;
}
