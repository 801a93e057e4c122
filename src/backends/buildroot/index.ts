import { existsSync } from "node:fs";
import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "../../lib/errors.js";
import { hostTools } from "../../lib/host-tools.js";
import { duration } from "../../lib/progress.js";
import { note } from "../../lib/terminal.js";
import { findTool, missingTool } from "../../lib/tools.js";
import { nearestOrigin } from "../../load/tree.js";
import type { Rendered, Resolved } from "../../model/resolved.js";
import { render } from "../../render/render.js";
import { type Backend, BuildStopped, type Prepared, type PrepareInput } from "../backend.js";
import { type BuildrootDirs, buildrootDirs, seenByMake, tellFixedPath, WITHOUT_FIXED_PATHS, withFixedPaths } from "./dirs.js";
import { makeCommand, shellCommand } from "./environment.js";
import { gateExternalTree } from "./gate.js";
import { gateKernel } from "./kernel-gate.js";
import { filesNamingBuild } from "./leaks.js";
import { drive } from "./make.js";
import { type BuildInputs, planRebuild, type RebuildStep } from "./rebuild.js";
import { buildInputs, readInputs, serializeInputs, sourceDigests } from "./rebuild-state.js";
import { imagePackages, showInfo } from "./show-info.js";
import { buildrootTree, cachedTree, type SourceOptions, versionOf } from "./source.js";
import { Tracker } from "./tracker.js";

/**
 * Kernel and root tree from source.
 *
 *   tree ─▶ configure ─▶ gate ─▶ what must be rebuilt ─▶ toolchain ─▶ kernel's configuration ─▶ gate ─▶ make ─▶ images
 */
export const buildroot: Backend = { check, inputs, plan, prepare, tellsTimeLeft: true };

type Options = PrepareInput["options"];

async function check(resolved: Resolved, options: Options): Promise<void> {
  for (const [name, dir] of Object.entries(resolved.profile.buildroot.overrides)) {
    const info = await stat(dir).catch(() => undefined);
    if (info?.isDirectory()) continue;
    throw new HalError("input", `${dir} ${info === undefined ? "does not exist" : "is not a directory"}`, {
      at: nearestOrigin(resolved.origins, `/buildroot/overrides/${name}`),
    });
  }
  for (const { tool, stage } of hostTools) {
    if (stage === "buildroot" && (await findTool(tool)) === undefined) throw missingTool(tool);
  }
  const { tree } = options.buildroot;
  const version = tree === undefined ? resolved.profile.buildroot.version : await versionOf(tree);
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

async function inputs(resolved: Resolved, rendered: Rendered, options: Options): Promise<Readonly<Record<string, unknown>>> {
  const tree = await buildrootTree(resolved, sourceOptions(options));
  const { toolchain } = resolved.profile.buildroot;
  return {
    buildroot: tree.version,
    commit: tree.commit ?? null,
    toolchain: typeof toolchain === "string" ? toolchain : "external",
    overrides: Object.fromEntries(await sourceDigests(rendered)),
  };
}

async function plan(resolved: Resolved, options: Options): Promise<readonly string[]> {
  const isHere = options.buildroot.tree !== undefined || existsSync(cachedTree(resolved));
  const version = isHere ? (await buildrootTree(resolved, sourceOptions(options))).version : resolved.profile.buildroot.version;
  return [
    ...(isHere ? [] : [`clone Buildroot ${version}`]),
    `configure Buildroot ${version}`,
    "compare every requested symbol with its .config",
    "decide what must be rebuilt",
    "make",
    "assemble",
  ];
}

function sourceOptions(options: Options): SourceOptions {
  const { tree, allowVersion } = options.buildroot;
  return { buildroot: tree, allowVersion, offline: options.offline, signal: options.signal };
}

/** Where `hal build --until` stops: the targets of Buildroot's make that lead there. */
const stages = { toolchain: ["toolchain"], kernel: ["linux"], rootfs: ["target-finalize"] } as const;

async function prepare({ resolved, externalTree, workDir, log, report, options }: PrepareInput): Promise<Prepared> {
  const { signal, verbose, jobs, offline } = options;
  const tree = await buildrootTree(resolved, sourceOptions(options));
  const { dirs, why } = await withFixedPaths(buildrootDirs(workDir, externalTree), signal);
  if (why !== undefined) note(`${why}: ${WITHOUT_FIXED_PATHS}`);
  const seen = seenByMake(tree, dirs).output;
  report("configuring");
  const config = await gateExternalTree(resolved, tree, dirs, signal);
  const shown = await showInfo(tree, dirs, signal);
  const rendered = render(resolved);
  const now = await buildInputs(rendered, tree, seen, config, shown);
  const record = join(workDir, "buildroot-inputs.json");
  const old = await readInputs(record);
  const untouched = old === undefined && !existsSync(join(dirs.output, "per-package"));
  const { until, shell = false } = options.buildroot;
  if (until === "configure" || shell) {
    if (untouched) await writeFile(record, serializeInputs(now)); // what is made by hand from here on is made from these
    if (shell) tellFixedPath(dirs);
    throw new BuildStopped("configure", dirs.output, shell ? shellCommand(tree, dirs) : undefined);
  }

  const steps = old === undefined && !untouched ? unknownState : planRebuild(old, now);
  const make = (targets: readonly string[], tracker?: Tracker): Promise<void> =>
    drive(makeCommand(tree, dirs, targets, { jobs, offline }), { log, report, verbose, signal, tracker });
  // Said before any of it starts, all of it: reports are thinned out where there is no terminal.
  if (steps.length > 0) note(`To rebuild:\n${steps.map((step) => `  ${step.target}: ${step.reason}`).join("\n")}`);
  await prepareRebuild(steps, now, dirs.output, make);
  // What is half done when this build stops counts as done for the next: Buildroot's own stamps know better.
  await writeFile(record, serializeInputs(now));
  const directories = new Map([...shown].map(([name, { directory }]) => [name, directory]));
  const anew = steps.filter(({ target }) => target.endsWith("-reconfigure")).map(({ target }) => target.replace(/-reconfigure$/, ""));
  const tracker = await Tracker.open(dirs.output, join(workDir, "buildroot-times.json"), directories, anew);
  note(workLeft(tracker.incomplete().length, shown.size, tracker.left()));
  try {
    if (tracker.incomplete().includes("linux")) await make(["toolchain", "linux-configure"], tracker);
    await gateKernel(resolved, dirs.output, shown.get("linux")?.directory ?? "build/linux");
    if (until !== undefined && until !== "images") {
      await make(stages[until], tracker);
      throw new BuildStopped(until, dirs.output);
    }
    await make(["all"], tracker);
    await tracker.finished();
  } finally {
    await tracker.save();
  }
  await tellLeaks(dirs, seen);
  return {
    targetDir: join(dirs.output, "target"),
    binariesDir: join(dirs.output, "images"),
    hostDir: join(dirs.output, "host"),
    buildDir: join(dirs.output, "build"),
    packages: (await imagePackages(shown, tree, await sourceDigests(rendered), dirs.downloads)).map((entry) =>
      // Buildroot calls a kernel from an archive of the user's `custom`.
      entry.name === "linux" ? { ...entry, version: resolved.profile.kernel.version } : entry,
    ),
    details: await inputs(resolved, rendered, options),
    assembled: true,
  };
}

/** A run path into the build directory leads nowhere in the guest, and a path of this machine's is in no other's image. */
async function tellLeaks({ output }: BuildrootDirs, seen: string): Promise<void> {
  const leaks = await filesNamingBuild(output, seen);
  if (leaks.length === 0) return;
  const more = leaks.length > 5 ? `, and ${leaks.length - 5} more` : "";
  note(`Files of the image name the build directory (${seen}): ${leaks.slice(0, 5).join(" ")}${more}`);
}

/** There is a build, but no record of what it was made from. */
const unknownState: readonly RebuildStep[] = [
  { target: "clean", reason: "it is not known what the build directory was made from" },
  { target: "all", reason: "a clean build" },
];

/**
 * Forgets what is stale, no more: the kernel must pass its gate before it is compiled again. The last step,
 * `all`, is what the build does anyway.
 */
async function prepareRebuild(
  steps: readonly RebuildStep[],
  now: BuildInputs,
  output: string,
  make: (targets: readonly string[]) => Promise<void>,
): Promise<void> {
  const remove = (path: string): Promise<void> => rm(join(output, path), { recursive: true, force: true });
  const targets: string[] = [];
  for (const { target, removes, emptyTarget } of steps) {
    if (emptyTarget) {
      for (const name of await readdir(join(output, "target")).catch(() => [])) await remove(`target/${name}`);
      for (const name of (await readdir(join(output, "images")).catch(() => [])).filter(isMadeImage)) await remove(`images/${name}`);
    }
    if (removes !== undefined) {
      await remove(removes);
      await remove(`per-package/${target.replace(/-dirclean$/, "")}`);
    } else if (target.endsWith("-reconfigure")) {
      const name = target.replace(/-reconfigure$/, "");
      // Filled anew from its dependencies when it is configured; what it installed before would stay.
      await remove(`per-package/${name}/target`);
      targets.push(`${name}-clean-for-reconfigure`);
    } else if (now.packages.has(target)) {
      targets.push(`${target}-dirclean`); // new to the configuration, perhaps not to the directory
    } else if (target !== "all") targets.push(target);
  }
  if (targets.length > 0) await make(targets);
}

/** What the last steps of every build make, and not what a package installs there. */
function isMadeImage(name: string): boolean {
  return /^(?:rootfs|initramfs|disk|cmdline)\b|\.(?:eif|efi)$/.test(name);
}

function workLeft(incomplete: number, total: number, seconds: number | undefined): string {
  const time = seconds === undefined || seconds < 1 ? "" : `, about ${duration(seconds)} as the last time`;
  return `${incomplete} of ${total} packages to build${time}`;
}
