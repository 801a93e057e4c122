import type { BackendInputs, BuildRequest } from "../backends/backend.js";
import { canonicalJson, sha256 } from "../lib/digest.js";
import { version } from "../lib/version.js";
import { firmwareFile } from "./firmware.js";

/** A digest over all inputs that decide the bytes of an image. The rendered tree is also listed file by file. */
export interface Fingerprint {
  readonly digest: string;
  /** SHA-256 over the rendered external tree. */
  readonly tree: string;
  /** Every rendered file and its SHA-256. */
  readonly files: readonly (readonly [path: string, sha256: string])[];
}

/**
 * Digests all inputs that decide the bytes of an image. Excludes the time, the environment, and paths of this machine.
 * Exceptions are the profile's paths for Buildroot (overrides, a toolchain) and for the launcher (shares, firmware of
 * the host).
 */
export async function fingerprint({ resolved, rendered, options }: BuildRequest, inputs: BackendInputs): Promise<Fingerprint> {
  const { backend, eifSigner } = options;
  const { launch } = resolved.profile;
  const firmware = await firmwareFile(resolved);
  // The image directory contains a copy of the firmware, so the original path changes no byte of the image.
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
