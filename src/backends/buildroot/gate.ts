import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DotConfig } from "../../kconfig/dotconfig.js";
import { gateError } from "../../kconfig/format.js";
import { gate } from "../../kconfig/gate.js";
import { parseKconfig } from "../../kconfig/parse.js";
import { buildrootEnvironment, resolveBuildrootConfig } from "../../kconfig/resolve-config.js";
import type { Rendered, Resolved } from "../../model/resolved.js";
import { buildrootSymbols } from "../../render/buildroot-symbols.js";
import { defconfigName } from "../../render/render.js";
import { writeTree } from "../../render/write-tree.js";
import { type BuildrootDirs, buildrootDirs, outside, seenByMake, withFixedPaths } from "./dirs.js";
import { makeCommand } from "./environment.js";
import { type BuildrootTree, buildrootTree } from "./source.js";

export interface GateOptions {
  readonly buildroot: string;
  readonly allowVersion?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Compares every requested symbol with the `.config` that Buildroot makes of the rendered defconfig.
 * @returns the resolved configuration
 * @throws HalError "check" with every lost line, where it was asked for, and why it is lost
 */
export async function gateExternalTree(
  resolved: Resolved,
  tree: BuildrootTree,
  dirs: BuildrootDirs,
  signal: AbortSignal,
): Promise<DotConfig> {
  const { external, output } = dirs;
  const seen = seenByMake(tree, dirs).external;
  const defconfigIn = (tree: string): string => join(tree, "configs", defconfigName(resolved.name));
  const make = makeCommand(tree, dirs, [`BR2_DEFCONFIG=${defconfigIn(seen)}`, "defconfig"]);
  const { config } = await resolveBuildrootConfig(
    {
      buildroot: tree.dir,
      externals: [external],
      defconfig: defconfigIn(external),
      output,
      ...(dirs.root === undefined ? {} : { command: make }),
    },
    { signal, group: true },
  );
  const environment = await buildrootEnvironment(tree.dir, output);
  const locate = (path: string): string => outside(path, make.mounts);
  const kconfig = parseKconfig({ root: tree.dir, file: "Config.in", environment, prefix: "", locate });
  const findings = gate({ requested: buildrootSymbols(resolved), config, kconfig });
  const error = gateError(findings, buildrootSymbols(resolved).length);
  if (error !== undefined) throw error;
  return config;
}

/** The Kconfig gate of `hal check P --buildroot DIR`, in a temporary directory. */
export async function gateProfile(resolved: Resolved, rendered: Rendered, options: GateOptions): Promise<void> {
  const tree = await buildrootTree(resolved, { ...options, offline: true });
  const work = await mkdtemp(join(tmpdir(), "hal-gate-"));
  try {
    const external = join(work, "external");
    await writeTree(rendered, external);
    const { dirs } = await withFixedPaths(buildrootDirs(work, external, join(work, "dl")), options.signal);
    await gateExternalTree(resolved, tree, dirs, options.signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
