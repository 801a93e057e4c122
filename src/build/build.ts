import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Backend, BackendInputs, BackendName, BuildOptions, BuildRequest, Prepared, Stopped, Workspace } from "../backends/backend.js";
import { backends } from "../backends/index.js";
import { refuseProfile } from "../backends/refusals.js";
import { readManifest } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { printableLine } from "../lib/errors.js";
import { fullDisk } from "../lib/failures.js";
import { cacheRoot } from "../lib/paths.js";
import { Plan } from "../lib/plan.js";
import { runPlan } from "../lib/progress.js";
import { note } from "../lib/terminal.js";
import { version } from "../lib/version.js";
import type { Manifest } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";
import { render } from "../render/render.js";
import { writeTree } from "../render/write-tree.js";
import { assemble } from "./assemble.js";
import { collect } from "./collect.js";
import { describe } from "./describe.js";
import { addEif } from "./eif.js";
import { fingerprint } from "./fingerprint.js";
import { findFirmware, firmwareToFetch, refuseFetch } from "./firmware.js";
import { writeManifest } from "./manifest.js";
import { measureImage } from "./measure.js";
import { recordOf } from "./outputs.js";
import { publish, refuseTarget, stage } from "./publish.js";
import { checkPublished, recordPublished } from "./record.js";
import { refuseUnreleasable } from "./release.js";
import { refuseRemotePackages } from "./release-packages.js";

/** The build of one image, before it runs. */
export interface BuildPlan {
  readonly profile: string;
  readonly backend: BackendName;
  /** The directory that contains the image directory. */
  readonly out: string;
  /** The published image, when a build would change nothing. */
  readonly upToDate: UpToDate | undefined;
  /** The steps that run, unless the image is up to date. */
  readonly steps: Plan<Workspace, Manifest | Stopped>;
}

interface UpToDate {
  readonly manifest: Manifest;
  /** Files had to be hashed: the build records their state again. */
  readonly hashed: boolean;
}

/** A built image. */
export interface BuildResult {
  /** The image directory. */
  readonly dir: string;
  readonly manifest: Manifest;
  /** The build changed nothing. */
  readonly upToDate: boolean;
}

/**
 * Plans the build of one image and checks every refusal of its steps. It writes nothing and uses no network. A dry run
 * makes this plan and does not run it.
 * @throws HalError for everything that hal build refuses before its first step
 */
export async function planBuild(resolved: Resolved, options: BuildOptions): Promise<BuildPlan> {
  const { backend, out } = options;
  const request = { resolved, rendered: render(resolved, backend), options };
  const { steps, inputs } = await stepsOf(request, backends[backend]);
  await steps.refuse();
  const published = await upToDate(request, inputs);
  refuseRemotePackages(resolved, options, published?.manifest.packages ?? []); // another build can have made it without --release
  return { profile: resolved.name, backend, out, upToDate: published, steps };
}

/**
 *   resolved ──render──▶ external tree ──backend──▶ TARGET_DIR, BINARIES_DIR, HOST_DIR, BUILD_DIR
 *                                                        │ post-image.sh
 *   out/<profile> ◀──publish── manifest ◀──launch.json ◀─┴ measurements
 */
async function stepsOf(
  request: BuildRequest,
  backend: Backend,
): Promise<{ readonly steps: BuildPlan["steps"]; readonly inputs: () => Promise<BackendInputs | undefined> }> {
  const { resolved, rendered, options } = request;
  const { offline, update, signal } = options;
  const { sourceDateEpoch } = resolved.profile;
  const cacheDir = cacheRoot();
  const kernelAndRoot = await backend.plan(request);
  const { inputs } = kernelAndRoot;

  const tree = Plan.begin<Workspace>().add({
    title: `Render ${resolved.name}`,
    refusals: [
      () => refuseUnreleasable(resolved, options),
      () => refuseRemotePackages(resolved, options, kernelAndRoot.packages ?? []),
      () => refuseProfile[options.backend](resolved, options.buildroot),
    ],
    run: async (workspace) => {
      await writeTree(rendered, workspace.externalTree);
      return workspace;
    },
    result: () => `${rendered.files.length} files`,
  });
  if (kernelAndRoot.stops) return { inputs, steps: tree.concat(kernelAndRoot.steps) };

  const missing = await firmwareToFetch(resolved, { cacheDir, update });
  const sources =
    missing === undefined
      ? tree
      : tree.add({
          title: `Fetch firmware ${missing.name} from Debian ${missing.suite}`,
          refusals: offline ? [() => refuseFetch(resolved, missing)] : [],
          run: async (workspace) => {
            await findFirmware(resolved, { cacheDir, offline, update, signal });
            return workspace;
          },
        });
  const firmware = () => findFirmware(resolved, { cacheDir, offline: true, update: false, signal });
  const steps = sources
    .concat(kernelAndRoot.steps)
    .addIf(!backend.assembles, {
      title: "Assemble images",
      run: (prepared, report) => assemble(prepared, sourceDateEpoch, report, signal),
    })
    .add({
      title: "Collect artifacts",
      run: async (prepared: Prepared) => {
        refuseRemotePackages(resolved, options, prepared.packages);
        return collect(prepared, await firmware(), backend.assembles);
      },
    })
    .addIf(platforms[resolved.platform].starts === "enclave", {
      title: "Make the enclave image",
      run: (collected) => addEif(collected, resolved, options.eifSigner),
    })
    .add({ title: "Describe the launch", run: (collected) => describe(collected, resolved, options) })
    .add({ title: "Predict measurements", run: measureImage })
    .add({ title: "Write SBOM and manifest", run: (described) => writeManifest(described, request) })
    .add({
      title: `Publish ${join(options.out, resolved.name)}`,
      refusals: [() => refuseTarget(options.out, resolved.name)],
      run: async (manifest) => {
        await publish(options.out, resolved.name, manifest);
        return manifest;
      },
    });
  return { inputs, steps };
}

/** The published image, when it was built from the same inputs and its files have the digests of its manifest. */
async function upToDate(request: BuildRequest, inputs: () => Promise<BackendInputs | undefined>): Promise<UpToDate | undefined> {
  const { out, update, buildroot, signal } = request.options;
  const { shell = false, until = "images" } = buildroot;
  if (update || shell || until !== "images") return undefined; // the caller asks for more than the published image
  const dir = join(out, request.resolved.name);
  if (!existsSync(join(dir, files.manifest))) return undefined;
  const known = await inputs();
  if (known === undefined) return undefined;
  const { digest } = await fingerprint(request, known);
  const manifest = await readManifest(dir).catch(() => undefined); // damaged: it is built again
  if (manifest?.inputs.digest !== digest) return undefined;
  const check = await checkPublished(dir, await recordOf(out, request.resolved.name), manifest, signal);
  if (check === undefined) {
    note(`${printableLine(dir)} is not recorded in the cache as an image that hal built here; hal builds it again`);
    return undefined;
  }
  const { changed, hashed } = check;
  if (changed === undefined) return { manifest, hashed };
  note(`${printableLine(join(dir, changed))} is not the file that hal built; hal builds the image again`);
  return undefined;
}

/**
 * Runs a plan. All steps write to a staging directory beside the image directory. The last step publishes it.
 * @returns the image, or where the build stopped as `--until` or `--shell` asks
 */
export async function build({ profile, out, upToDate, steps }: BuildPlan): Promise<BuildResult | Stopped> {
  const dir = join(out, profile);
  if (upToDate !== undefined) {
    const { manifest, hashed } = upToDate;
    if (hashed) await recordPublished(dir, await recordOf(out, profile), manifest);
    return { dir, manifest, upToDate: true };
  }
  const staging = await stage(out, profile);
  try {
    await writeFile(staging.log, `hal ${version}: ${profile}\n`, { flag: "wx" });
    const result = await runPlan(steps, staging, join(staging.workDir, "times.json"));
    return "stage" in result ? result : { dir, manifest: result, upToDate: false };
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw fullDisk(path ?? "writing the build's files", []);
    throw error;
  } finally {
    await staging.release();
  }
}
