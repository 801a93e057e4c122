import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "../../errors.js";
import { gateExternalTree } from "../../gate.js";
import { hostTools } from "../../host-tools.js";
import { planRebuild, type RebuildStep } from "../../kconfig/rebuild.js";
import { note } from "../../output.js";
import { render } from "../../render.js";
import type { Resolved } from "../../resolved.js";
import { findTool, missingTool } from "../../tools.js";
import { nearestOrigin } from "../../tree.js";
import { type Backend, BuildStopped, type Prepared, type PrepareInput } from "../backend.js";
import { drive } from "./drive.js";
import { buildrootDirs, makeCommand, shellCommand } from "./environment.js";
import { buildInputs, readInputs, serializeInputs, treeDigest } from "./inputs.js";
import { gateKernel } from "./kernel-gate.js";
import { imagePackages, showInfo } from "./show-info.js";
import { buildrootTree, type SourceOptions, versionOf } from "./source.js";

/**
 * Kernel and root tree from source.
 *
 *   tree ─▶ configure ─▶ gate ─▶ what must be rebuilt ─▶ toolchain ─▶ kernel's configuration ─▶ gate ─▶ make ─▶ images
 */
export const buildroot: Backend = { check, inputs, plan, prepare };

type Options = PrepareInput["options"];

async function check(resolved: Resolved, options: Options): Promise<void> {
  for (const { tool, stage } of hostTools) {
    if (stage === "buildroot" && (await findTool(tool)) === undefined) throw missingTool(tool);
  }
  const given = options.backendOptions.buildroot;
  const version = typeof given === "string" ? await versionOf(given) : resolved.profile.buildroot.version;
  for (const [index, feature] of resolved.features.entries()) {
    const series = version.split(".").slice(0, 2).join(".");
    const why = feature.buildroot.unavailable[version] ?? feature.buildroot.unavailable[series];
    if (why !== undefined) {
      throw new HalError("input", `Buildroot ${version} cannot provide feature '${feature.name}': ${why}`, {
        at: nearestOrigin(resolved.origins, `/features/${index}`),
      });
    }
  }
}

async function inputs(resolved: Resolved, options: Options): Promise<Readonly<Record<string, unknown>>> {
  const tree = await buildrootTree(resolved, sourceOptions(options));
  const { toolchain } = resolved.profile.buildroot;
  const overrides: Record<string, string> = {};
  for (const [name, dir] of Object.entries(resolved.profile.buildroot.overrides)) overrides[name] = await treeDigest(dir);
  return {
    buildroot: tree.version,
    commit: tree.commit ?? null,
    toolchain: typeof toolchain === "string" ? toolchain : "external",
    overrides,
  };
}

async function plan(resolved: Resolved, options: Options): Promise<readonly string[]> {
  const tree = await buildrootTree(resolved, sourceOptions(options));
  return [
    `configure Buildroot ${tree.version}`,
    "compare every requested symbol with its .config",
    "decide what must be rebuilt",
    "make",
    "assemble",
  ];
}

function sourceOptions(options: Options): SourceOptions {
  const { buildroot: dir, allowVersion } = options.backendOptions;
  return {
    buildroot: typeof dir === "string" ? dir : undefined,
    allowVersion: allowVersion === true,
    offline: options.offline,
    signal: options.signal,
  };
}

/** Where `hal build --until` stops: the targets of Buildroot's make that lead there. */
const stages: Readonly<Record<string, readonly string[]>> = {
  toolchain: ["toolchain"],
  kernel: ["linux"],
  rootfs: ["target-finalize"],
};

async function prepare({ resolved, externalTree, workDir, log, report, options }: PrepareInput): Promise<Prepared> {
  const { signal, verbose, jobs, offline } = options;
  const tree = await buildrootTree(resolved, sourceOptions(options));
  const dirs = buildrootDirs(workDir, externalTree);
  await mkdir(dirs.downloads, { recursive: true });
  await mkdir(dirs.output, { recursive: true });
  const make = (targets: readonly string[], packages?: readonly string[]): Promise<void> =>
    drive(makeCommand(tree, dirs, targets, { jobs, offline }), {
      log,
      report,
      verbose,
      signal,
      ...(packages === undefined ? {} : { packages }),
    });

  report("configuring");
  const config = await gateExternalTree(resolved, externalTree, tree.dir, dirs.output, signal);
  const shown = await showInfo(tree, dirs, signal);
  const now = await buildInputs(resolved, await render(resolved), tree, config, shown);
  const record = join(workDir, "buildroot-inputs.json");
  const until = options.backendOptions.until;
  if (options.backendOptions.shell === true) throw new BuildStopped("configure", dirs.output, shellCommand(tree, dirs));
  if (until === "configure") throw new BuildStopped("configure", dirs.output);

  const steps = planRebuild(await readInputs(record), now);
  // Said before any of it starts, all of it: reports are thinned out where there is no terminal.
  note(steps.length === 0 ? "Nothing to rebuild." : `To rebuild:\n${steps.map((step) => `  ${step.target}: ${step.reason}`).join("\n")}`);
  // What is half done when this build stops counts as done for the next: Buildroot's own stamps know better.
  for (const step of steps) await runStep(step, dirs.output, make);
  await writeFile(record, serializeInputs(now));
  await make(["toolchain", "linux-configure"], [...shown.keys()]);
  await gateKernel(resolved, dirs.output, shown.get("linux")?.version ?? resolved.profile.kernel.version);
  const targets = typeof until === "string" ? stages[until] : undefined;
  if (targets !== undefined) {
    await make(targets, [...shown.keys()]);
    throw new BuildStopped(String(until), dirs.output);
  }
  await make(["all"], [...shown.keys()]);
  return {
    targetDir: join(dirs.output, "target"),
    binariesDir: join(dirs.output, "images"),
    hostDir: join(dirs.output, "host"),
    buildDir: join(dirs.output, "build"),
    packages: (await imagePackages(shown, tree, overriddenPackages(resolved, now.recipes), dirs.downloads)).map((entry) =>
      // Buildroot calls a kernel from an archive of the user's `custom`.
      entry.name === "linux" ? { ...entry, version: resolved.profile.kernel.version } : entry,
    ),
    details: await inputs(resolved, options),
    assembled: true,
  };
}

/** One step of the plan; the last, `all`, is what the build does anyway once the kernel's gate has passed. */
async function runStep(step: RebuildStep, output: string, make: (targets: readonly string[]) => Promise<void>): Promise<void> {
  if (step.emptyTarget) await emptyTarget(output);
  // Forget what was configured, no more: the kernel must pass its gate before it is compiled again.
  if (step.target !== "all") await make([step.target.replace(/-reconfigure$/, "-clean-for-reconfigure")]);
}

/** Empties TARGET_DIR so that finalization fills it anew from the per-package directories. */
async function emptyTarget(output: string): Promise<void> {
  const target = join(output, "target");
  for (const name of await readdir(target).catch(() => [])) await rm(join(target, name), { recursive: true, force: true });
}

function overriddenPackages(resolved: Resolved, recipes: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(Object.keys(resolved.profile.buildroot.overrides).map((name) => [name, recipes.get(name) ?? ""]));
}
