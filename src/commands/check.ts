import type { BackendName } from "../backends/backend.js";
import { refuseProfile } from "../backends/refusals.js";
import { formatError, HalError } from "../lib/errors.js";
import { formatTable, note, print, printJson } from "../lib/terminal.js";
import { listDocuments } from "../load/catalog.js";
import { load } from "../load/load.js";
import { toPlain } from "../load/tree.js";
import { render } from "../render/render.js";
import { resolve } from "../resolve/resolve.js";
import { refuseBuildrootOptions } from "./buildroot-options.js";

interface Options {
  readonly backend: BackendName;
  readonly json?: boolean;
  readonly set: readonly string[];
  readonly allowOutside?: boolean;
  readonly buildroot?: string;
  readonly allowVersion?: boolean;
  readonly defconfig?: string;
  readonly external: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * Resolves and renders each profile without writing anything, and asks the backend whether it can build the profile. With
 * a Buildroot tree it runs the Kconfig gate too. A wrong profile does not keep the others from being checked.
 */
export async function check(references: readonly string[], options: Options): Promise<void> {
  refuseBuildrootOptions(options.backend, options);
  if (options.defconfig !== undefined) return (await import("./check-defconfig.js")).reportDefconfig(options.defconfig, options);
  const profiles = references.length > 0 ? references : await concreteProfiles();
  const results: Result[] = [];
  const wrong: HalError[] = [];
  for (const reference of profiles) {
    try {
      results.push(await checkOne(reference, options));
    } catch (error) {
      if (!(error instanceof HalError) || (error.kind !== "input" && error.kind !== "check")) throw error;
      wrong.push(error);
    }
  }
  if (options.json) printJson(results);
  else if (results.length > 0)
    print(
      formatTable(
        results.map((result) => [
          "ok",
          result.profile,
          `${result.symbols} Buildroot symbols, ${result.kernelOptions} kernel options, ${result.files} files`,
          result.features.join(" "),
        ]),
      ),
    );
  const last = wrong.pop();
  for (const error of wrong) note(formatError(error));
  if (last !== undefined) throw last;
}

interface Result {
  readonly profile: string;
  readonly features: readonly string[];
  readonly symbols: number;
  readonly kernelOptions: number;
  readonly files: number;
}

async function checkOne(reference: string, options: Options): Promise<Result> {
  const { backend, buildroot, allowVersion } = options;
  const resolved = await resolve(reference, options);
  await refuseProfile[backend](resolved, { tree: buildroot, allowVersion });
  const rendered = render(resolved, backend);
  if (buildroot !== undefined)
    await (await import("../backends/buildroot/gate.js")).gateProfile(resolved, rendered, { ...options, buildroot });
  return {
    profile: resolved.name,
    features: resolved.features.map((feature) => feature.name),
    symbols: resolved.buildrootRequests.length,
    kernelOptions: resolved.kernelFragments.reduce((sum, fragment) => sum + fragment.requests.length, 0),
    files: rendered.files.length,
  };
}

async function concreteProfiles(): Promise<string[]> {
  const names: string[] = [];
  for (const { name, file } of listDocuments("profile")) {
    if ((toPlain(await load(file, "profile")) as { abstract?: boolean }).abstract !== true) names.push(name);
  }
  if (names.length === 0) throw new HalError("input", "no profile to check");
  return names;
}
