import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DotConfig } from "../../kconfig/dotconfig.js";
import { gateError } from "../../kconfig/format.js";
import { gate } from "../../kconfig/gate.js";
import { parseKconfig } from "../../kconfig/parse.js";
import { buildrootEnvironment, resolveBuildrootConfig } from "../../kconfig/resolve-config.js";
import { refuseWithoutSandbox } from "../../lib/namespace.js";
import type { Rendered, Resolved, SymbolRequest } from "../../model/resolved.js";
import { defconfigName } from "../../render/defconfig.js";
import { writeTree } from "../../render/write-tree.js";
import { type BuildrootDirs, buildrootDirs, makeDirs, profilePaths, seenByMake, toRealPaths } from "./dirs.js";
import { makeCommand } from "./environment.js";
import { type BuildrootTree, buildrootTree } from "./source.js";

export interface GateInput {
  /** The profile's name. */
  readonly profile: string;
  /** Every symbol of the rendered defconfig. */
  readonly symbols: readonly SymbolRequest[];
  readonly tree: BuildrootTree;
  /** `external` contains the rendered tree. */
  readonly dirs: BuildrootDirs;
  readonly signal: AbortSignal;
}

/**
 * Configures Buildroot with the rendered defconfig and compares every requested symbol with the resulting `.config`.
 * @returns the resolved configuration
 * @throws HalError "check" with every lost symbol, the place that asked for it, and the reason
 */
export async function gateExternalTree({ profile, symbols, tree, dirs, signal }: GateInput): Promise<DotConfig> {
  const { external, buildrootOutput } = dirs;
  const defconfigIn = (tree: string): string => join(tree, "configs", defconfigName(profile));
  const make = makeCommand(tree, dirs, [`BR2_DEFCONFIG=${defconfigIn(seenByMake.external)}`, "defconfig"]);
  const { config } = await resolveBuildrootConfig(
    {
      buildroot: tree.dir,
      externals: [external],
      defconfig: defconfigIn(external),
      output: buildrootOutput,
      command: make,
    },
    { signal, group: true },
  );
  const environment = await buildrootEnvironment(tree.dir, buildrootOutput);
  const locate = (path: string): string => toRealPaths(path, make.mounts);
  const kconfig = parseKconfig({
    root: tree.dir,
    file: "Config.in",
    environment,
    prefix: "",
    locate,
    within: [tree.dir, external, buildrootOutput],
  });
  const error = gateError(gate({ requested: symbols, config, kconfig }), symbols.length);
  if (error !== undefined) throw error;
  return config;
}

export interface GateOptions {
  readonly buildroot: string;
  readonly allowVersion?: boolean;
  readonly signal: AbortSignal;
}

/** The Kconfig gate of `hal check P --buildroot DIR`, in a temporary directory. */
export async function gateProfile(resolved: Resolved, rendered: Rendered, options: GateOptions): Promise<void> {
  await refuseWithoutSandbox("one", options.signal);
  const tree = await buildrootTree(resolved, { ...options, offline: true });
  const work = await mkdtemp(join(tmpdir(), "hal-gate-"));
  try {
    const external = join(work, "external");
    await writeTree(rendered, external);
    const dirs = buildrootDirs(work, external, { read: profilePaths(resolved), downloads: join(work, "dl") });
    await makeDirs(dirs);
    await gateExternalTree({ profile: resolved.name, symbols: rendered.symbols, tree, dirs, signal: options.signal });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
