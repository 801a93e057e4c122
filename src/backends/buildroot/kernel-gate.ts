import { join } from "node:path";
import { readDotConfig } from "../../kconfig/dotconfig.js";
import { gateError } from "../../kconfig/format.js";
import { gate } from "../../kconfig/gate.js";
import { parseKconfig } from "../../kconfig/parse.js";
import { readInside } from "../../lib/links.js";
import type { Resolved, SymbolRequest } from "../../model/resolved.js";

/** When two fragments request the same symbol, the later request counts, as in merge_config.sh. */
export function kernelRequests({ kernelFragments }: Pick<Resolved, "kernelFragments">): readonly SymbolRequest[] {
  const requests = kernelFragments.flatMap((fragment) => fragment.requests);
  return [...new Map(requests.map((request) => [request.symbol, request])).values()];
}

/** Bytes; far more than a kernel's configuration has. */
const MOST_CONFIG_BYTES = 16 * 1024 * 1024;

/**
 * Compares every line of every kernel fragment with the kernel's final `.config`.
 * @param buildrootOutput Buildroot's `O=`, which make writes to
 * @param directory the kernel's build directory in it
 * @throws HalError "check" with every lost line
 */
export async function gateKernel(requested: readonly SymbolRequest[], buildrootOutput: string, directory: string): Promise<void> {
  const root = join(buildrootOutput, directory);
  const text = await readInside(buildrootOutput, join(directory, ".config"), MOST_CONFIG_BYTES);
  const config = readDotConfig(text, join(root, ".config"), "CONFIG_");
  const kconfig = parseKconfig({
    root,
    file: "Kconfig",
    environment: { SRCARCH: "x86", ARCH: "x86_64" },
    prefix: "CONFIG_",
    within: [root],
  });
  const error = gateError(gate({ requested, config, kconfig }), requested.length);
  if (error !== undefined) throw error;
}
