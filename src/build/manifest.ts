import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildRequest } from "../backends/backend.js";
import { backends } from "../backends/index.js";
import { writeDocument } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { version } from "../lib/version.js";
import type { Manifest } from "../model/generated.js";
import type { Described } from "./describe.js";
import { digestAll } from "./digests.js";
import { fingerprint } from "./fingerprint.js";
import { weaknessesOf } from "./release.js";

/** Writes the bill of materials, and the manifest, which lists every other file. */
export async function writeManifest({ prepared, dir, images }: Described, request: BuildRequest): Promise<Manifest> {
  const { resolved, options } = request;
  const { backend } = options;
  const { digest, tree, files: rendered } = await fingerprint(request, prepared.inputs);
  const content: Omit<Manifest, "artifacts"> = {
    schema: "hal.manifest/v1",
    profile: resolved.name,
    platform: resolved.platform,
    layout: resolved.layout.name,
    promises: { init: resolved.profile.init, ssh: resolved.profile.ssh, hostAml: backends[backend].hostAml, layout: resolved.layout },
    backend,
    debug: resolved.profile.debug,
    sourceDateEpoch: resolved.profile.sourceDateEpoch,
    omitted: [...(backend === "debian" ? resolved.debianOmitted : [])],
    accepted: weaknessesOf(resolved, backend).filter((name) => resolved.profile.accept.includes(name)),
    hal: version,
    inputs: {
      digest,
      tree,
      files: rendered.map(([path, sha256]) => [path, sha256]),
      details: { ...prepared.inputs, ...prepared.facts },
    },
    packages: prepared.packages.map((entry) => ({ ...entry })),
  };
  const { sbom } = await import("./sbom.js"); // imported late: it loads hundreds of modules, and a dry run needs none of them
  await writeFile(join(dir, files.sbom), sbom(content));
  const manifest: Manifest = { ...content, artifacts: await digestAll(dir, images, options.signal) };
  await writeDocument(dir, "manifest", manifest);
  return manifest;
}
