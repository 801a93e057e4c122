import { existsSync } from "node:fs";
import { readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Backend, type BuildOptions, BuildStopped, type Prepared } from "../backends/backend.js";
import { backends } from "../backends/index.js";
import { readManifest } from "../bundle/manifest.js";
import type { FileDigest } from "../lib/digest.js";
import { cacheRoot } from "../lib/paths.js";
import { runSteps, type Step } from "../lib/progress.js";
import { version } from "../lib/version.js";
import type { Manifest } from "../model/generated.js";
import type { Rendered, Resolved } from "../model/resolved.js";
import { render } from "../render/render.js";
import { writeTree } from "../render/write-tree.js";
import { assemble } from "./assemble.js";
import { copySparse, digestBeside, isArtifact } from "./collect.js";
import { describe } from "./describe.js";
import { type Inputs, inputsOf } from "./fingerprint.js";
import { type Staging, stage } from "./publish.js";
import { refuseUnreleasable } from "./release.js";

export interface BuildResult {
  readonly dir: string;
  readonly manifest: Manifest;
  /** Nothing had changed since the last build. */
  readonly upToDate: boolean;
}

/**
 *   resolved ──render──▶ external tree ──backend──▶ TARGET_DIR, BINARIES_DIR, HOST_DIR, BUILD_DIR
 *                                                        │ post-image.sh
 *   out/<profile> ◀──publish── manifest ◀──launch.json ◀─┴ measurements
 *
 * Everything happens in a staging directory beside the output; one rename publishes it.
 */
export async function build(resolved: Resolved, options: BuildOptions): Promise<BuildResult> {
  const backend: Backend = backends[options.backend];
  refuseUnreleasable(resolved, options);
  await backend.check(resolved, options);
  const rendered = render(resolved);
  const inputs = await inputsOf(resolved, rendered, options);
  const dir = join(options.out, resolved.name);
  const published = await current(dir, inputs, options);
  if (published !== undefined) return { dir, manifest: published, upToDate: true };

  const staging = await stage(options.out, resolved.name);
  try {
    const manifest = await buildInto(staging, resolved, rendered, inputs, backend, options);
    return { dir, manifest, upToDate: false };
  } finally {
    await staging.release();
  }
}

/** Whether a build would leave the published output as it is. */
export async function upToDate(resolved: Resolved, options: BuildOptions): Promise<boolean> {
  const inputs = await inputsOf(resolved, render(resolved), options);
  return (await current(join(options.out, resolved.name), inputs, options)) !== undefined;
}

async function buildInto(
  staging: Staging,
  resolved: Resolved,
  rendered: Rendered,
  inputs: Inputs,
  backend: Backend,
  options: BuildOptions,
): Promise<Manifest> {
  const { log } = staging;
  await writeFile(log, `hal ${version}: ${resolved.name}\n`);
  const externalTree = join(staging.workDir, "external");
  let prepared: Prepared | undefined;
  let manifest: Manifest | undefined;
  let stopped: BuildStopped | undefined;
  let known: readonly FileDigest[] = [];
  const wanted = (): boolean => stopped === undefined;
  const ready = (): Prepared => {
    if (prepared === undefined) throw new Error("assembly before preparation");
    return prepared;
  };
  const steps: Step[] = [
    {
      title: `Render ${resolved.name}`,
      run: async () => {
        await writeTree(rendered, externalTree);
        return `${rendered.files.length} files`;
      },
    },
    {
      title: `Build kernel and root tree (${options.backend})`,
      tellsTimeLeft: backend.tellsTimeLeft === true,
      run: async (report) => {
        try {
          prepared = await backend.prepare({
            resolved,
            externalTree,
            workDir: staging.workDir,
            cacheDir: cacheRoot(),
            log,
            report,
            options,
          });
        } catch (error) {
          if (!(error instanceof BuildStopped)) throw error;
          stopped = error;
          return error.message;
        }
        return `${prepared.packages.length} packages`;
      },
    },
    {
      title: "Assemble images",
      wanted,
      run: async (report) => {
        if (!ready().assembled) {
          const { sourceDateEpoch } = resolved.profile;
          const assembly = assemble({ prepared: ready(), externalTree, sourceDateEpoch, log, report, signal: options.signal });
          known = await digestBeside(assembly, ready().binariesDir, "rootfs.ext4");
        }
        for (const name of (await readdir(ready().binariesDir)).filter(isArtifact)) {
          const [from, to] = [join(ready().binariesDir, name), join(staging.stagingDir, name)];
          // What Buildroot made stays in place for its next, partial build.
          if (ready().assembled) await copySparse(from, to);
          else await rename(from, to);
        }
      },
    },
    {
      title: "Measure and describe",
      wanted,
      run: async () => {
        manifest = await describe({ resolved, dir: staging.stagingDir, inputs, prepared: ready(), known, options });
      },
    },
    {
      title: `Publish ${join(options.out, resolved.name)}`,
      wanted,
      run: () => staging.publish(),
    },
  ];
  await runSteps(steps, join(staging.workDir, "times.json"));
  if (stopped !== undefined) throw stopped;
  if (manifest === undefined) throw new Error("published without a manifest");
  return manifest;
}

/** The manifest of the published output when it was made from these inputs and its files are all there, in full size. */
async function current(dir: string, { digest }: Inputs, { update, buildroot }: BuildOptions): Promise<Manifest | undefined> {
  const { shell = false, until = "images" } = buildroot;
  if (update || shell || until !== "images") return undefined; // not the image that is there is asked for
  if (!existsSync(join(dir, "manifest.json"))) return undefined;
  try {
    const manifest = await readManifest(dir);
    if (manifest.inputs.digest !== digest) return undefined;
    for (const { name, size } of manifest.artifacts) if ((await stat(join(dir, name))).size !== size) return undefined;
    return manifest;
  } catch {
    return undefined; // damaged: build it again
  }
}
