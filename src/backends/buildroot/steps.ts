import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isRemade } from "../../bundle/files.js";
import { refuseLinks } from "../../lib/links.js";
import type { Report } from "../../lib/plan.js";
import { duration } from "../../lib/progress.js";
import { note } from "../../lib/terminal.js";
import type { BackendInputs, BuildRequest, Prepared, Stopped, Workspace } from "../backend.js";
import { type BuildrootDirs, buildrootDirs, makeDirs, noteFixedPath, profilePaths, seenByMake } from "./dirs.js";
import { makeCommand, shellCommand } from "./environment.js";
import { gateExternalTree } from "./gate.js";
import { gateKernel, kernelRequests } from "./kernel-gate.js";
import { filesNamingBuild } from "./leaks.js";
import { runMake } from "./make.js";
import { planRebuild, type RebuildState, type RebuildStep } from "./rebuild.js";
import { readState, rebuildState, serializeState } from "./rebuild-state.js";
import { imagePackages, type ShownPackage, showInfo } from "./show-info.js";
import { type BuildrootTree, buildrootTree, type SourceOptions } from "./source.js";
import { Tracker } from "./tracker.js";

export interface Request extends BuildRequest {
  readonly source: SourceOptions;
  /** Digests of the source trees that replace packages' archives. */
  readonly sources: () => Promise<ReadonlyMap<string, string>>;
  readonly inputs: () => Promise<BackendInputs>;
}

/** A configured build directory, and the states that a build compares. */
export interface Configured {
  readonly workspace: Workspace;
  readonly tree: BuildrootTree;
  readonly dirs: BuildrootDirs;
  /** Every package of the configuration. */
  readonly packages: ReadonlyMap<string, ShownPackage>;
  /** The state that this build makes. */
  readonly state: RebuildState;
  /** The state that the last build made, where its record is readable. */
  readonly last: RebuildState | undefined;
  /** Nothing has been built in the directory yet. */
  readonly untouched: boolean;
}

/** A build directory without stale files, and the progress of the build in it. */
export interface Tracked extends Configured {
  readonly tracker: Tracker;
}

/** Records the inputs of the build directory. */
function recordFile({ workDir }: Workspace): string {
  return join(workDir, "buildroot-inputs.json");
}

/**
 * Configures Buildroot with the rendered defconfig.
 * @throws HalError "check" for a requested symbol that the configuration lacks
 */
export async function configure(request: Request, workspace: Workspace, report: Report): Promise<Configured> {
  const { resolved, rendered, source, options } = request;
  const { signal } = options;
  const tree = await buildrootTree(resolved, source);
  const dirs = buildrootDirs(workspace.workDir, workspace.externalTree, { read: profilePaths(resolved) });
  await makeDirs(dirs);
  report("configuring");
  const config = await gateExternalTree({ profile: resolved.name, symbols: rendered.symbols, tree, dirs, signal });
  const packages = await showInfo(tree, dirs, signal);
  const { buildrootOutput } = seenByMake;
  const state = await rebuildState({ rendered, tree, buildrootOutput, config, packages, sources: await request.sources() });
  const last = await readState(recordFile(workspace));
  const untouched = last === undefined && !existsSync(join(dirs.buildrootOutput, "per-package"));
  return { workspace, tree, dirs, packages, state, last, untouched };
}

/** Ends a build with `--until configure` or `--shell`: the user continues by hand. */
export async function stopAfterConfigure({ workspace, tree, dirs, state, untouched }: Configured, shell: boolean): Promise<Stopped> {
  // In an empty directory, everything that the user builds by hand comes from this configuration.
  if (untouched) await writeFile(recordFile(workspace), serializeState(state));
  if (shell) noteFixedPath(dirs);
  return { stage: "configure", directory: dirs.buildrootOutput, ...(shell ? { shell: shellCommand(tree, dirs) } : {}) };
}

/** The directory contains a build, but no record of its inputs. */
const unknownState: readonly RebuildStep[] = [
  { target: "clean", reason: "hal does not know what the build directory was made from" },
  { target: "all", reason: "a clean build" },
];

/** Compares with the last build and removes the packages that must be rebuilt. */
export async function removeStale(request: Request, configured: Configured, report: Report): Promise<Tracked> {
  const { workspace, dirs, packages, state, last, untouched } = configured;
  const steps = last === undefined && !untouched ? unknownState : planRebuild(last, state);
  // Print the whole list first, because without a terminal some reports are left out.
  if (steps.length > 0) note(`To rebuild:\n${steps.map((step) => `  ${step.target}: ${step.reason}`).join("\n")}`);
  await applyRebuild(steps, state, dirs.buildrootOutput, (targets) => make(request, configured, targets, report));
  // Written before make runs: if this build fails, Buildroot's own stamps show the next one which packages are complete.
  await writeFile(recordFile(workspace), serializeState(state));
  const directories = new Map([...packages].map(([name, { directory }]) => [name, directory]));
  const again = steps.filter(({ target }) => target.endsWith("-reconfigure")).map(({ target }) => target.replace(/-reconfigure$/, ""));
  const times = join(workspace.workDir, "buildroot-times.json");
  return { ...configured, tracker: await Tracker.open(dirs.buildrootOutput, times, directories, again) };
}

/**
 * Removes stale packages and nothing else, because the kernel must pass its gate before it is compiled again. The last
 * step, `all`, is the build itself.
 */
async function applyRebuild(
  steps: readonly RebuildStep[],
  state: RebuildState,
  buildrootOutput: string,
  make: (targets: readonly string[]) => Promise<void>,
): Promise<void> {
  const remove = async (path: string): Promise<void> => {
    await refuseLinks(buildrootOutput, path, { last: false });
    await rm(join(buildrootOutput, path), { recursive: true, force: true });
  };
  const targets: string[] = [];
  for (const { target, removes, emptyTarget } of steps) {
    if (emptyTarget) {
      for (const name of await readdir(join(buildrootOutput, "target")).catch(() => [])) await remove(`target/${name}`);
      for (const name of (await readdir(join(buildrootOutput, "images")).catch(() => [])).filter(isRemade)) await remove(`images/${name}`);
    }
    if (removes !== undefined) {
      await remove(removes);
      await remove(`per-package/${target.replace(/-dirclean$/, "")}`);
    } else if (target.endsWith("-reconfigure")) {
      const name = target.replace(/-reconfigure$/, "");
      // Configuring fills it again from the dependencies; files of the earlier installation would stay.
      await remove(`per-package/${name}/target`);
      targets.push(`${name}-clean-for-reconfigure`);
    } else if (state.packages.has(target)) {
      targets.push(`${target}-dirclean`); // new to the configuration, but its directory may exist
    } else if (target !== "all") targets.push(target);
  }
  if (targets.length > 0) await make(targets);
}

function make(
  { options: { jobs, verbose, signal } }: Request,
  { workspace: { log }, tree, dirs }: Configured,
  targets: readonly string[],
  report: Report,
  { tracker, ...access }: { readonly tracker?: Tracker; readonly network?: boolean; readonly downloads?: boolean } = {},
): Promise<void> {
  return runMake(makeCommand(tree, dirs, targets, { jobs, ...access }), { log, report, verbose, signal, tracker });
}

/**
 * Downloads, and then runs make without a network: first for the kernel's configuration, which must pass its gate. Saves
 * the durations even when it fails.
 */
async function makeGated(request: Request, tracked: Tracked, report: Report, until: keyof typeof stages): Promise<void> {
  const { dirs, packages, tracker } = tracked;
  const { sources, targets } = stages[until];
  note(workLeft(tracker.incomplete().length, packages.size, tracker.left()));
  try {
    // Without a network too: a mirror can be a directory.
    if (tracker.incomplete().length > 0)
      await make(request, tracked, sources, report, { tracker, network: !request.options.offline, downloads: true });
    if (tracker.incomplete().includes("linux")) await make(request, tracked, ["toolchain", "linux-configure"], report, { tracker });
    const directory = packages.get("linux")?.directory ?? "build/linux";
    await gateKernel(kernelRequests(request.resolved), dirs.buildrootOutput, directory);
    await make(request, tracked, targets, report, { tracker });
  } finally {
    await tracker.save();
  }
}

/** The make targets that each stage of `--until` needs, and those that download its sources. The kernel is part of each. */
const kernelSources = ["toolchain-all-source", "linux-all-source"];
const stages = {
  toolchain: { sources: kernelSources, targets: ["toolchain"] },
  kernel: { sources: kernelSources, targets: ["linux"] },
  rootfs: { sources: ["source"], targets: ["target-finalize"] },
  images: { sources: ["source"], targets: ["all"] },
} as const;

/** Builds as far as `--until` asks. */
export async function makeStage(
  request: Request,
  tracked: Tracked,
  until: Exclude<keyof typeof stages, "images">,
  report: Report,
): Promise<Stopped> {
  await makeGated(request, tracked, report, until);
  return { stage: until, directory: tracked.dirs.buildrootOutput };
}

/** Builds everything; Buildroot's make also calls post-image.sh. */
export async function makeImages(request: Request, tracked: Tracked, report: Report): Promise<Prepared> {
  const { workspace, tree, dirs, packages, tracker } = tracked;
  const { resolved } = request;
  const { buildrootOutput } = dirs;
  await makeGated(request, tracked, report, "images");
  await tracker.finished();
  for (const dir of ["target", "images", "host", "build"]) await refuseLinks(buildrootOutput, dir);
  await noteLeaks(dirs, seenByMake.buildrootOutput);
  const built = await imagePackages(packages, tree, await request.sources(), dirs.downloads);
  return {
    workspace,
    targetDir: join(buildrootOutput, "target"),
    binariesDir: join(buildrootOutput, "images"),
    hostDir: join(buildrootOutput, "host"),
    buildDir: join(buildrootOutput, "build"),
    // Buildroot calls a kernel from the user's own archive `custom`.
    packages: built.map((entry) => (entry.name === "linux" ? { ...entry, version: resolved.profile.kernel.version } : entry)),
    inputs: await request.inputs(),
    facts: {},
    digests: [],
  };
}

/** A run path into the build directory does not exist in the guest, and it differs between machines. */
async function noteLeaks({ buildrootOutput }: BuildrootDirs, seen: string): Promise<void> {
  const leaks = await filesNamingBuild(buildrootOutput, seen);
  if (leaks.length === 0) return;
  const more = leaks.length > 5 ? `, and ${leaks.length - 5} more` : "";
  note(`Files of the image contain the path of the build directory (${seen}): ${leaks.slice(0, 5).join(" ")}${more}`);
}

function workLeft(incomplete: number, total: number, seconds: number | undefined): string {
  const time = seconds === undefined || seconds < 1 ? "" : `, about ${duration(seconds)} by the last build`;
  return `${incomplete} of ${total} packages to build${time}`;
}
