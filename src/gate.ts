import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildrootTree } from "./backends/buildroot/source.js";
import type { DotConfig } from "./kconfig/dotconfig.js";
import { gateError } from "./kconfig/format.js";
import { gate } from "./kconfig/gate.js";
import { parseKconfig } from "./kconfig/parse.js";
import { buildrootEnvironment, resolveBuildrootConfig } from "./kconfig/resolve-config.js";
import { buildrootSymbols } from "./render/implied.js";
import type { Rendered, Resolved } from "./resolved.js";
import { writeTree } from "./write-tree.js";

export interface GateOptions {
  readonly buildroot: string;
  readonly allowVersion?: boolean;
  readonly signal: AbortSignal;
}

/** The defconfig of an external tree, as `make` names it. */
export function defconfigPath(externalTree: string, name: string): string {
  return join(externalTree, `configs/hal_${name.replaceAll("-", "_")}_defconfig`);
}

/**
 * Compares every requested symbol with the `.config` that Buildroot makes of the rendered defconfig.
 * @param output Buildroot's `O=`
 * @returns the resolved configuration
 * @throws HalError "check" with every lost line, where it was asked for, and why it is lost
 */
export async function gateExternalTree(
  resolved: Resolved,
  externalTree: string,
  buildroot: string,
  output: string,
  signal: AbortSignal,
): Promise<DotConfig> {
  const defconfig = defconfigPath(externalTree, resolved.name);
  const { config } = await resolveBuildrootConfig({ buildroot, externals: [externalTree], defconfig, output }, { signal });
  const environment = await buildrootEnvironment(buildroot, output);
  const kconfig = parseKconfig({ root: buildroot, file: "Config.in", environment, prefix: "" });
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
    await gateExternalTree(resolved, external, tree.dir, join(work, "output"), options.signal);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
