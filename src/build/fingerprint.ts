import type { BuildOptions } from "../backends/backend.js";
import { backends } from "../backends/index.js";
import { canonicalJson, sha256 } from "../lib/digest.js";
import { version } from "../lib/version.js";
import type { Rendered, Resolved } from "../model/resolved.js";
import { firmwareFile } from "./firmware.js";

/** What decides the bytes of an image, and a digest over all of it. */
export interface Inputs {
  readonly digest: string;
  readonly tree: string;
  /** Every rendered file and its digest. */
  readonly files: readonly (readonly [path: string, sha256: string])[];
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * Everything that decides the bytes: no time, nothing of the environment, and no path of this machine but those that the profile hands to
 * Buildroot (overrides, a toolchain) or to the launcher (shares, firmware that is not here).
 */
export async function inputsOf(resolved: Resolved, rendered: Rendered, options: BuildOptions): Promise<Inputs> {
  const { backend, eifSigner } = options;
  const details = await backends[backend].inputs(resolved, rendered, options);
  const { launch } = resolved.profile;
  const firmware = await firmwareFile(resolved);
  // A copy of the firmware is launched: where it lies here decides nothing.
  const unplaced = { ...launch, igvm: undefined, firmware: { ...launch.firmware, path: undefined, vars: undefined } };
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
    launch: firmware === undefined ? launch : unplaced,
    firmware: { kind: launch.igvm === undefined ? "fd" : "igvm", code: firmware?.sha256, vars: firmware?.vars?.sha256 },
    eifSigner: eifSigner === undefined ? undefined : sha256(canonicalJson(eifSigner)),
    layout: resolved.layout,
    cmdline: resolved.cmdline,
    packages: resolved.debianPackages,
    omitted: resolved.debianOmitted,
    sourceDateEpoch: resolved.profile.sourceDateEpoch,
  };
  return { digest: sha256(canonicalJson(decided)), tree, files, details };
}
