import { join, resolve } from "node:path";
import { cacheRoot } from "../../paths.js";
import { type Command, cleanEnvironment } from "../../tools.js";
import type { BuildrootTree } from "./source.js";

/** The directories of one Buildroot build. */
export interface BuildrootDirs {
  /** Buildroot's `O=`. */
  readonly output: string;
  readonly external: string;
  /** BR2_DL_DIR, shared by all builds. */
  readonly downloads: string;
}

/**
 * Absolute paths: make runs in Buildroot's tree.
 * @param downloads default BR2_DL_DIR of the caller, as Buildroot's own make has it, else hal's cache
 */
export function buildrootDirs(
  workDir: string,
  externalTree: string,
  downloads = process.env.BR2_DL_DIR ?? join(cacheRoot(), "dl"),
): BuildrootDirs {
  return { output: resolve(workDir, "buildroot"), external: resolve(externalTree), downloads: resolve(downloads) };
}

/** The user's shell in the build directory, with the environment that make gets and the build's tools first on PATH. */
export function shellCommand(tree: BuildrootTree, dirs: BuildrootDirs): Command {
  const { env = {} } = makeCommand(tree, dirs, []);
  const host = join(dirs.output, "host");
  const places = { BUILD_DIR: "build", HOST_DIR: "host", STAGING_DIR: "staging", TARGET_DIR: "target", BINARIES_DIR: "images" };
  return {
    tool: process.env.SHELL ?? "/bin/sh",
    args: [],
    cwd: dirs.output,
    env: {
      ...env,
      ...Object.fromEntries(Object.entries(places).map(([name, place]) => [name, join(dirs.output, place)])),
      PATH: `${host}/bin:${host}/sbin:${env.PATH ?? ""}`,
      TERM: process.env.TERM ?? "dumb",
    },
  };
}

/**
 * One `make` in Buildroot with an environment that has nothing of the caller's: Buildroot hands its whole
 * environment on to every package and every hook.
 */
export function makeCommand(
  tree: BuildrootTree,
  dirs: BuildrootDirs,
  args: readonly string[],
  options: { offline?: boolean; jobs?: number } = {},
): Command {
  const env = cleanEnvironment({ BR2_DL_DIR: dirs.downloads });
  delete env.TMPDIR;
  // Some packages' configure scripts (tar, coreutils) refuse to run as root without it.
  if (process.getuid?.() === 0) env.FORCE_UNSAFE_CONFIGURE = "1";
  // Where every download method goes to fail, so that --offline is kept by all of them.
  if (options.offline)
    Object.assign(env, { http_proxy: "http://127.0.0.1:9", https_proxy: "http://127.0.0.1:9", GIT_ALLOW_PROTOCOL: "file" });
  return {
    tool: "make",
    args: [
      "-C",
      tree.dir,
      `O=${dirs.output}`,
      `BR2_EXTERNAL=${dirs.external}`,
      ...(options.jobs === undefined ? [] : [`-j${options.jobs}`]),
      ...args,
    ],
    env,
  };
}
