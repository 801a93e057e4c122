import type { BuildOptions, Stopped } from "../backends/backend.js";
import { type BuildPlan, type BuildResult, build, planBuild } from "../build/build.js";
import { readSigner } from "../build/eif.js";
import { HalError } from "../lib/errors.js";
import { formatSize } from "../lib/size.js";
import { formatTable, note, print, printJson, shortDigests } from "../lib/terminal.js";
import { formatCommand, onOwnTerminal, runInteractive } from "../lib/tools.js";
import { platforms } from "../model/platforms/index.js";
import { resolve } from "../resolve/resolve.js";
import { refuseBuildrootOptions } from "./buildroot-options.js";

interface Options extends Omit<BuildOptions, "buildroot" | "eifSigner"> {
  readonly profile: readonly string[];
  readonly set: readonly string[];
  readonly allowOutside?: boolean;
  readonly dryRun: boolean;
  readonly json?: boolean;
  readonly buildroot?: string;
  readonly allowVersion?: boolean;
  readonly until?: BuildOptions["buildroot"]["until"];
  readonly shell?: boolean;
  readonly eifKey?: string;
  readonly eifCertificate?: string;
}

/** Builds the given profiles in order. All of them are planned, with their refusals checked, before the first one is built. */
export async function buildAll(options: Options): Promise<void> {
  process.umask(0o022); // root of a sandbox is another user, and reads files that hal makes
  const matrix = [];
  for (const reference of options.profile)
    matrix.push(await resolve(reference, { set: options.set, allowOutside: options.allowOutside ?? false }));
  const { buildroot, allowVersion, until, shell, eifKey: key, eifCertificate: certificate } = options;
  if ((key === undefined) !== (certificate === undefined)) throw new HalError("input", "--eif-key and --eif-certificate go together");
  const eifSigner = key === undefined || certificate === undefined ? undefined : await readSigner(key, certificate, { warn: note });
  if (eifSigner !== undefined && !matrix.some(({ platform }) => platforms[platform].starts === "enclave")) {
    throw new HalError("input", "--eif-key signs enclave images, and no profile given is for platform nitro");
  }
  refuseBuildrootOptions(options.backend, { buildroot, allowVersion, until, shell });
  const buildOptions: BuildOptions = { ...options, eifSigner, buildroot: { tree: buildroot, allowVersion, until, shell } };
  const plans: BuildPlan[] = [];
  for (const resolved of matrix) plans.push(await planBuild(resolved, buildOptions));
  if (options.dryRun) printPlans(plans, options.json);
  else await buildPlans(plans, options.json);
}

function printPlans(plans: readonly BuildPlan[], json = false): void {
  const shown = plans.map(({ profile, backend, upToDate, steps }) => ({
    profile,
    backend,
    why: upToDate === undefined ? `build with ${backend}` : "up to date",
    steps: upToDate === undefined ? steps.titles : [],
  }));
  if (json) printJson(shown);
  else print(shown.map(({ profile, why, steps }) => [`${profile}: ${why}`, ...steps.map((step) => `  ${step}`)].join("\n")).join("\n"));
}

async function buildPlans(plans: readonly BuildPlan[], json = false): Promise<void> {
  const results: BuildResult[] = [];
  for (const [index, plan] of plans.entries()) {
    if (plans.length > 1) note(`── ${plan.profile} (${index + 1} of ${plans.length})`);
    const result = await build(plan);
    if ("stage" in result) {
      await continueByHand(plan.profile, result);
      continue;
    }
    results.push(result);
    if (!json) print(`${summary(result)}\n\n${nextSteps(result)}`);
  }
  if (json) printJson(results.map(({ dir, manifest, upToDate }) => ({ dir, upToDate, manifest })));
}

/** Opens the shell of `--shell`, or names the build directory. The exit code of the shell's last command is not hal's. */
async function continueByHand(profile: string, { stage, directory, shell }: Stopped): Promise<void> {
  if (shell === undefined) note(`${profile}: stopped after ${stage}, as --until asks; the build directory is ${directory}`);
  else {
    note(`a shell in ${directory}: 'make TARGET' works there; leave it with 'exit'`);
    await runInteractive(onOwnTerminal(shell));
  }
}

/** Every artifact with size and digest. */
function summary({ dir, manifest, upToDate }: BuildResult): string {
  const rows = manifest.artifacts.map(({ name, size, sha256 }) => [`  ${name}`, formatSize(size).padStart(6), `sha256:${sha256}`]);
  const marks = [
    manifest.backend,
    ...(manifest.debug ? ["DEBUG: console and login are enabled"] : []),
    ...manifest.omitted.map((name) => `without ${name}`),
    ...(manifest.accepted ?? []).map((name) => `accepts ${name}`),
  ].join(", ");
  return [`${dir} (${marks})${upToDate ? ": up to date" : ""}`, shortDigests(formatTable(rows))].join("\n");
}

function nextSteps({ dir }: BuildResult): string {
  const command = (...args: string[]): string => formatCommand({ tool: "hal", args });
  return formatTable([
    ["Next:", command("test", dir), "boot it and prove what the layout promises"],
    ["", command("run", dir, "--print"), "the command that launches it"],
  ]);
}
