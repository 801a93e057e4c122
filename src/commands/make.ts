import { existsSync } from "node:fs";
import { join } from "node:path";
import { buildrootDirs, makeDirs, noteFixedPath, profilePaths } from "../backends/buildroot/dirs.js";
import { makeCommand } from "../backends/buildroot/environment.js";
import { buildrootTree } from "../backends/buildroot/source.js";
import { workDirOf } from "../build/publish.js";
import { exitCodes, HalError } from "../lib/errors.js";
import { refuseWithoutSandbox } from "../lib/namespace.js";
import { onOwnTerminal, runInteractive } from "../lib/tools.js";
import { resolve } from "../resolve/resolve.js";

interface Options {
  readonly out: string;
  readonly set: readonly string[];
  readonly allowOutside?: boolean;
  readonly buildroot?: string;
  readonly allowVersion?: boolean;
  readonly signal: AbortSignal;
}

/** Runs any target of Buildroot's make in the build directory of a profile, on this terminal: menuconfig, X-rebuild, legal-info. */
export async function make(reference: string, targets: readonly string[], options: Options): Promise<void> {
  const resolved = await resolve(reference, { ...options, overlayContents: false });
  const work = await workDirOf(options.out, resolved.name);
  if (work === undefined || !existsSync(join(work, "external/external.desc"))) {
    throw new HalError("input", `${options.out} contains no build of '${resolved.name}'`, {
      remedy: `hal build --profile ${reference} --until configure`,
    });
  }
  const external = join(work, "external");
  const tree = await buildrootTree(resolved, { ...options, offline: false });
  await refuseWithoutSandbox("one", options.signal);
  const dirs = buildrootDirs(work, external, { read: profilePaths(resolved) });
  await makeDirs(dirs);
  noteFixedPath(dirs);
  const exitCode = await runInteractive(onOwnTerminal(makeCommand(tree, dirs, targets, { network: true })));
  // Ctrl-C goes to the terminal of make, which ends with 128 + SIGINT.
  if (exitCode === exitCodes.interrupted) throw new HalError("interrupted", "make was interrupted");
  if (exitCode !== 0) throw new HalError("command", `make ${targets.join(" ")} failed with exit code ${exitCode}`);
}
