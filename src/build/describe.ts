import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOptions, Prepared } from "../backends/backend.js";
import { describeLaunch } from "../launch/describe.js";
import { canonicalJson, type FileDigest } from "../lib/digest.js";
import { cacheRoot } from "../lib/paths.js";
import { version } from "../lib/version.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure, toMeasurements } from "../measure/measure.js";
import type { Manifest } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";
import { copyFirmware, digestAll } from "./collect.js";
import { buildEif } from "./eif.js";
import type { Inputs } from "./fingerprint.js";
import { findFirmware } from "./firmware.js";
import { sbom } from "./sbom.js";

export interface DescribeInput {
  readonly resolved: Resolved;
  /** Has what post-image.sh left, and `cmdline`; gets everything else that an output directory has. */
  readonly dir: string;
  readonly inputs: Inputs;
  readonly prepared: Prepared;
  /** Digests of artifacts that have been taken already. */
  readonly known: readonly FileDigest[];
  readonly options: BuildOptions;
}

/**
 * Says of the artifacts what they are: adds the enclave image, the firmware, launch.json, measurements.json, sbom.cdx.json and
 * manifest.json, in this order, because each is described by those behind it.
 * @throws HalError for firmware that cannot be had, and for artifacts that cannot be launched or measured
 */
export async function describe({ resolved, dir, inputs, prepared, known, options }: DescribeInput): Promise<Manifest> {
  const { backend, offline, update, signal, eifSigner } = options;
  const cmdline = (await readFile(join(dir, "cmdline"), "utf8")).trimEnd();
  await rm(join(dir, "cmdline"));
  if (platforms[resolved.platform].starts === "enclave") await buildEif({ resolved, dir, cmdline, prepared, signer: eifSigner });
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
