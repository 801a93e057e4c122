import { existsSync } from "node:fs";
import { hostTools } from "../../lib/host-tools.js";
import { refuseWithoutSandbox } from "../../lib/namespace.js";
import { Plan, type Report } from "../../lib/plan.js";
import { requireTools } from "../../lib/tools.js";
import type { Resolved } from "../../model/resolved.js";
import type { Backend, BackendInputs, BackendPlan, BuildRequest, BuildrootOptions, Prepared, Workspace } from "../backend.js";
import { sourceDigests } from "./rebuild-state.js";
import { buildrootTree, cachedTree, ownTree, refuseClone } from "./source.js";
import { configure, makeImages, makeStage, type Request, removeStale, stopAfterConfigure, type Tracked } from "./steps.js";

/**
 * Kernel and root tree from source.
 *
 *   clone ─▶ configure ─▶ gate ─▶ stale packages ─▶ toolchain ─▶ kernel's configuration ─▶ gate ─▶ make ─▶ images
 */
export const buildroot: Backend = { plan, assembles: true, hostAml: "blocked" };

const tools = hostTools.filter(({ stage }) => stage === "buildroot").map(({ tool }) => tool);

/** The title of the step that runs make, by the stage that the build stops after. */
const makeTitles = {
  toolchain: "Build the toolchain",
  kernel: "Build the kernel",
  rootfs: "Build the root tree",
  images: "Build packages and images",
} as const;

async function plan({ resolved, rendered, options }: BuildRequest): Promise<BackendPlan> {
  const { signal, offline } = options;
  const { tree, allowVersion, until = "images", shell = false } = options.buildroot;
  const { version } = resolved.profile.buildroot;
  const sources = once(() => sourceDigests(rendered));
  const inputs = once(() => inputsOf(resolved, options.buildroot, sources));
  const source = { buildroot: tree, allowVersion, offline, signal };
  const request: Request = { resolved, rendered, options, source, sources, inputs };

  const configured = Plan.begin<Workspace>()
    .addIf(tree === undefined && !existsSync(cachedTree(resolved)), {
      title: `Clone Buildroot ${version}`,
      refusals: offline ? [() => refuseClone(resolved)] : [],
      run: async (workspace) => {
        await buildrootTree(resolved, source);
        return workspace;
      },
    })
    .add({
      title: `Configure Buildroot ${tree ?? version}`,
      refusals: [() => requireTools(tools), () => refuseWithoutSandbox("one", signal)],
      run: (workspace, report) => configure(request, workspace, report),
      result: () => `${rendered.symbols.length} symbols as requested`,
    });
  if (until === "configure" || shell) {
    const title = shell ? "Prepare the shell" : "Record the configuration";
    return { inputs, stops: true, steps: configured.add({ title, run: (state) => stopAfterConfigure(state, shell) }) };
  }

  const current = configured.add({ title: "Remove what must be rebuilt", run: (state, report) => removeStale(request, state, report) });
  const title = makeTitles[until];
  if (until !== "images") {
    const run = (state: Tracked, report: Report) => makeStage(request, state, until, report);
    return { inputs, stops: true, steps: current.add({ title, reportsTimeLeft: true, run }) };
  }
  const run = (state: Tracked, report: Report) => makeImages(request, state, report);
  const result = ({ packages }: Prepared) => `${packages.length} packages`;
  return { inputs, stops: false, steps: current.add({ title, reportsTimeLeft: true, run, result }) };
}

async function inputsOf(resolved: Resolved, options: BuildrootOptions, sources: Request["sources"]): Promise<BackendInputs> {
  const { version, commit, toolchain } = resolved.profile.buildroot;
  const own = options.tree === undefined ? undefined : await ownTree(resolved, options.tree, options.allowVersion);
  return {
    buildroot: own?.version ?? version,
    commit: own === undefined ? commit : null,
    toolchain: typeof toolchain === "string" ? toolchain : "external",
    overrides: Object.fromEntries(await sources()),
  };
}

/** Digesting a source tree takes seconds, so each result is computed at most once. */
function once<T>(compute: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => {
    result ??= compute();
    return result;
  };
}
