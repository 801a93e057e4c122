import { type BuildOptions, BuildStopped } from "../backends/backend.js";
import { type BuildResult, build } from "../build/build.js";
import { readSigner } from "../build/eif.js";
import { planBuild } from "../build/plan.js";
import { HalError } from "../lib/errors.js";
import { formatSize } from "../lib/size.js";
import { note, print, printJson, shortDigests, table } from "../lib/terminal.js";
import { type Command, formatCommand, runInteractive } from "../lib/tools.js";
import { platforms } from "../model/platforms/index.js";
import { resolve } from "../resolve/resolve.js";

interface Options extends Omit<BuildOptions, "buildroot" | "eifSigner"> {
  readonly profile: readonly string[];
  readonly set: readonly string[];
  readonly dryRun: boolean;
  readonly json?: boolean;
  readonly buildroot?: string;
  readonly allowVersion?: boolean;
  readonly until?: BuildOptions["buildroot"]["until"];
  readonly shell?: boolean;
  readonly eifKey?: string;
  readonly eifCertificate?: string;
}

/** Builds every profile given, one after the other; all of them are resolved before the first is built. */
export async function buildAll(options: Options): Promise<void> {
  const matrix = [];
  for (const reference of options.profile) matrix.push(await resolve(reference, { set: options.set }));
  const { buildroot, allowVersion, until, shell, eifKey: key, eifCertificate: certificate } = options;
  if ((key === undefined) !== (certificate === undefined)) throw new HalError("input", "--eif-key and --eif-certificate go together");
  const eifSigner = key === undefined || certificate === undefined ? undefined : await readSigner(key, certificate, { warn: note });
  if (eifSigner !== undefined && !matrix.some(({ platform }) => platforms[platform].starts === "enclave")) {
    throw new HalError("input", "--eif-key signs enclave images, and no profile given is for platform nitro");
  }
  const buildroots = { "--buildroot": buildroot, "--allow-version": allowVersion, "--until": until, "--shell": shell || undefined };
  for (const [option, value] of Object.entries(buildroots))
    if (value !== undefined && options.backend !== "buildroot")
      throw new HalError("input", `${option} is the buildroot backend's, and this is --backend ${options.backend}`);
  const buildOptions: BuildOptions = { ...options, eifSigner, buildroot: { tree: buildroot, allowVersion, until, shell } };
  if (options.dryRun) {
    const plans = [];
    for (const resolved of matrix) plans.push(await planBuild(resolved, buildOptions));
    if (options.json) printJson(plans);
    else print(plans.map((plan) => [`${plan.profile}: ${plan.why}`, ...plan.steps.map((step) => `  ${step}`)].join("\n")).join("\n"));
    return;
  }
  const results: BuildResult[] = [];
  for (const resolved of matrix) {
    if (matrix.length > 1) note(`── ${resolved.name} (${results.length + 1} of ${matrix.length})`);
    const result = await build(resolved, buildOptions).catch(async (error: unknown) => {
      if (!(error instanceof BuildStopped)) throw error;
      if (error.shell === undefined) note(`${resolved.name}: ${error.message}, as --until asks; the build directory is ${error.directory}`);
      else await openShell(error.shell, error.directory);
      return undefined;
    });
    if (result === undefined) continue;
    results.push(result);
    if (!options.json) {
      print(`${summary(result)}\n\n${nextSteps(result)}`);
    }
  }
  if (options.json) printJson(results.map(({ dir, manifest, upToDate }) => ({ dir, upToDate, manifest })));
}

/** Its exit code is the last command's, which says nothing about hal. */
async function openShell(shell: Command, directory: string): Promise<void> {
  note(`a shell in ${directory}: 'make TARGET' works there; leave it with 'exit'`);
  await runInteractive(shell);
}

/** What ends a build: every artifact with size and digest. */
function summary({ dir, manifest, upToDate }: BuildResult): string {
  const rows = manifest.artifacts.map(({ name, size, sha256 }) => [`  ${name}`, formatSize(size).padStart(6), `sha256:${sha256}`]);
  const marks = [
    manifest.backend,
    ...(manifest.debug ? ["DEBUG: console and login are open"] : []),
    ...manifest.omitted.map((name) => `without ${name}`),
  ].join(", ");
  return [`${dir} (${marks})${upToDate ? ": up to date" : ""}`, shortDigests(table(rows))].join("\n");
}

function nextSteps({ dir }: BuildResult): string {
  const command = (...args: string[]): string => formatCommand({ tool: "hal", args });
  return table([
    ["Next:", command("test", dir), "boot it and prove what the layout promises"],
    ["", command("run", dir, "--print"), "the command that launches it"],
  ]);
}
