import type { BackendInputs, BuildRequest } from "../backends/backend.js";
import { canonicalJson, sha256 } from "../lib/digest.js";
import { version } from "../lib/version.js";
import { firmwareFile } from "./firmware.js";

/** A digest over everything that decides the bytes of an image, and its largest part, the rendered tree, in detail. */
export interface Fingerprint {
  readonly digest: string;
  /** SHA-256 over the rendered external tree. */
  readonly tree: string;
  /** Every rendered file and its SHA-256. */
  readonly files: readonly (readonly [path: string, sha256: string])[];
}

/**
 * Digests everything that decides the bytes of an image: no time, nothing of the environment, and no path of this machine
 * except those that the profile hands to Buildroot (overrides, a toolchain) or to the launcher (shares, firmware of the host).
 */
export async function fingerprint({ resolved, rendered, options }: BuildRequest, inputs: BackendInputs): Promise<Fingerprint> {
  const { backend, eifSigner } = options;
  const { launch } = resolved.profile;
  const firmware = await firmwareFile(resolved);
  // The image directory gets a copy of the firmware, so the path of the original decides nothing.
  const withoutPaths = { ...launch, igvm: undefined, firmware: { ...launch.firmware, path: undefined, vars: undefined } };
  const files = rendered.files.map(
    (file) => [file.path, file.link === undefined ? sha256(file.content) : sha256(`link ${file.link}`)] as const,
  );
  const tree = sha256(rendered.files.map(({ path, mode }, index) => `${path}\0${mode.toString(8)}\0${files[index]?.[1]}\n`).join(""));
  const decided = {
    hal: version,
    backend,
    tree,
    details: inputs,
    name: resolved.name,
    platform: resolved.platform,
    launch: firmware === undefined ? launch : withoutPaths,
    firmware: { kind: launch.igvm === undefined ? "fd" : "igvm", code: firmware?.sha256, vars: firmware?.vars?.sha256 },
    eifSigner: eifSigner === undefined ? undefined : sha256(canonicalJson(eifSigner)),
    layout: resolved.layout,
    cmdline: resolved.cmdline,
    packages: resolved.debianPackages,
    omitted: resolved.debianOmitted,
    sourceDateEpoch: resolved.profile.sourceDateEpoch,
  };
  return { digest: sha256(canonicalJson(decided)), tree, files };
}
