import { existsSync } from "node:fs";
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { copyFirmware, copySparse, digestAll, digestBeside, isArtifact } from "./artifacts.js";
import { assemble } from "./assemble.js";
import { type Backend, type BuildOptions, BuildStopped, type Prepared } from "./backends/backend.js";
import { backends } from "./backends/table.js";
import { canonicalJson, type FileDigest, sha256 } from "./digest.js";
import { buildEif } from "./eif.js";
import { HalError } from "./errors.js";
import { findFirmware, firmwareFile } from "./firmware.js";
import type { Manifest } from "./generated/types.js";
import { describeLaunch } from "./launch/describe.js";
import { readManifest } from "./manifest.js";
import { measure, toMeasurements } from "./measure/measure.js";
import { launchRequest } from "./measure-output.js";
import { cacheRoot } from "./paths.js";
import { runSteps, type Step } from "./progress.js";
import { type Staging, stage } from "./publish.js";
import { render } from "./render.js";
import type { Rendered, Resolved } from "./resolved.js";
import { sbom } from "./sbom.js";
import { formatSize } from "./size.js";
import { nearestOrigin } from "./tree.js";
import { version } from "./version.js";
import { writeTree } from "./write-tree.js";

export interface BuildResult {
  readonly dir: string;
  readonly manifest: Manifest;
  /** Nothing had changed since the last build. */
  readonly upToDate: boolean;
}

/** What decides the bytes of an image, and a digest over all of it. */
export interface Inputs {
  readonly digest: string;
  readonly tree: string;
  /** Every rendered file and its digest. */
  readonly files: readonly (readonly [path: string, sha256: string])[];
  readonly details: Readonly<Record<string, unknown>>;
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
  // A shell or a stage is asked for, not an image.
  const { shell, until } = options.backendOptions;
  const wanted = shell === true || (until !== undefined && until !== "images") || options.update;
  const published = wanted ? undefined : await current(dir, inputs.digest);
  if (published !== undefined) return { dir, manifest: published, upToDate: true };

  const staging = await stage(options.out, resolved.name);
  try {
    const manifest = await buildInto(staging, resolved, rendered, inputs, backend, options);
    return { dir, manifest, upToDate: false };
  } finally {
    await staging.release();
  }
}

/** Whether the published output was made from exactly these inputs. */
export async function upToDate(resolved: Resolved, options: BuildOptions): Promise<boolean> {
  const inputs = await inputsOf(resolved, render(resolved), options);
  return (await current(join(options.out, resolved.name), inputs.digest)) !== undefined;
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
        manifest = await describe(resolved, staging.stagingDir, inputs, ready(), known, options);
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

/** Writes launch.json and manifest.json beside the artifacts. */
async function describe(
  resolved: Resolved,
  dir: string,
  inputs: Inputs,
  prepared: Prepared,
  known: readonly FileDigest[],
  { backend, offline, update, signal, eifSigner }: BuildOptions,
): Promise<Manifest> {
  const cmdline = (await readFile(join(dir, "cmdline"), "utf8")).trimEnd();
  await rm(join(dir, "cmdline"));
  if (resolved.platform === "nitro") await buildEif({ resolved, dir, cmdline, prepared, signer: eifSigner });
  const firmware = await copyFirmware(await findFirmware(resolved, { cacheDir: cacheRoot(), offline, update, signal }), dir, resolved);
  for (const name of await readdir(dir)) await chmod(join(dir, name), 0o644);
  const images = await digestAll(dir, known);
  const launch = describeLaunch(resolved, images, cmdline, { backend, ...(firmware === undefined ? {} : { firmware }) });
  await writeFile(join(dir, "launch.json"), canonicalJson(launch));
  const prediction = await measure(launchRequest(launch, dir));
  await writeFile(join(dir, "measurements.json"), canonicalJson(toMeasurements(prediction)));
  const whole: Omit<Manifest, "artifacts"> = {
    schema: "hal.manifest/v1",
    profile: resolved.name,
    platform: resolved.platform,
    layout: resolved.layout.name,
    promises: { init: resolved.profile.init, ssh: resolved.profile.ssh, layout: resolved.layout },
    backend,
    debug: resolved.profile.debug,
    sourceDateEpoch: resolved.profile.sourceDateEpoch,
    omitted: [...(backend === "debian" ? resolved.debianOmitted : [])],
    hal: version,
    inputs: {
      digest: inputs.digest,
      tree: inputs.tree,
      files: inputs.files.map(([path, digest]) => [path, digest]),
      details: { ...inputs.details, ...prepared.details },
    },
    packages: [...prepared.packages].map((entry) => ({ ...entry })),
  };
  await writeFile(join(dir, "sbom.cdx.json"), sbom(whole));
  const manifest: Manifest = { ...whole, artifacts: await digestAll(dir, images) };
  await writeFile(join(dir, "manifest.json"), canonicalJson(manifest));
  return manifest;
}

/** Everything that decides the bytes. No path of this machine, no time, nothing of the environment. */
async function inputsOf(resolved: Resolved, rendered: Rendered, options: BuildOptions): Promise<Inputs> {
  const { backend, eifSigner } = options;
  const details = await backends[backend].inputs(resolved, options);
  const firmware = await firmwareFile(resolved);
  const files = rendered.files.map(
    (file) => [file.path, file.link === undefined ? sha256(file.content) : sha256(`link ${file.link}`)] as const,
  );
  const tree = sha256(rendered.files.map(({ path, mode }, index) => `${path}\0${mode.toString(8)}\0${files[index]?.[1]}\n`).join(""));
  const decided = {
    hal: version,
    backend,
    tree,
    details,
    name: resolved.name,
    platform: resolved.platform,
    launch: resolved.profile.launch,
    firmware: { code: firmware?.sha256, vars: firmware?.vars?.sha256 },
    eifSigner: eifSigner === undefined ? undefined : sha256(canonicalJson(eifSigner)),
    layout: resolved.layout,
    cmdline: resolved.cmdline,
    packages: resolved.debianPackages,
    omitted: resolved.debianOmitted,
    sourceDateEpoch: resolved.profile.sourceDateEpoch,
  };
  return { digest: sha256(canonicalJson(decided)), tree, files, details };
}

/** The manifest of the published output when it was made from these inputs and its files are all there, in full size. */
async function current(dir: string, digest: string): Promise<Manifest | undefined> {
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

function refuseUnreleasable(resolved: Resolved, options: BuildOptions): void {
  if (!options.release) return;
  const at = resolved.origins.get("/debug");
  if (resolved.profile.debug)
    throw new HalError("check", "a debug image cannot be released: its console and login are open", at === undefined ? {} : { at });
  if (resolved.platform === "none") throw new HalError("check", "an image for platform none cannot be released: no hardware protects it");
  const { boot, launch } = resolved.profile;
  if (boot === "uki" && (resolved.platform === "sev" || (resolved.platform === "sev-snp" && launch.igvm === undefined)))
    throw new HalError("check", `on platform ${resolved.platform} nothing measures what the firmware boots from a disk`, {
      at: nearestOrigin(resolved.origins, "/boot"),
      remedy: resolved.platform === "sev" ? "boot: direct" : "boot: direct, or launch.igvm, which brings a vTPM",
    });
  if (options.backend === "debian" && resolved.debianOmitted.length > 0) {
    throw new HalError("check", `the debian backend leaves out ${resolved.debianOmitted.join(", ")}`, {
      remedy: "release with the buildroot backend",
    });
  }
}

/** The lines that end a build: every artifact with size and digest. */
export function summary({ dir, manifest, upToDate }: BuildResult): string {
  const rows = manifest.artifacts.map(
    (entry) => `  ${entry.name.padEnd(22)} ${formatSize(entry.size).padStart(8)}  sha256:${entry.sha256.slice(0, 16)}…`,
  );
  const marks = [
    manifest.backend,
    ...(manifest.debug ? ["DEBUG: console and login are open"] : []),
    ...manifest.omitted.map((name) => `without ${name}`),
  ].join(", ");
  return [`${dir} (${marks})${upToDate ? ": up to date" : ""}`, ...rows].join("\n");
}
