import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readDotConfig } from "../../kconfig/dotconfig.js";
import { gateError } from "../../kconfig/format.js";
import { gate } from "../../kconfig/gate.js";
import { parseKconfig } from "../../kconfig/parse.js";
import type { Resolved, SymbolRequest } from "../../model/resolved.js";

/** When two fragments request the same symbol, the later request counts, as in merge_config.sh. */
export function kernelRequests({ kernelFragments }: Pick<Resolved, "kernelFragments">): readonly SymbolRequest[] {
  const requests = kernelFragments.flatMap((fragment) => fragment.requests);
  return [...new Map(requests.map((request) => [request.symbol, request])).values()];
}

/**
 * Compares every line of every kernel fragment with the kernel's final `.config`.
 * @param directory the kernel's build directory
 * @throws HalError "check" with every lost line
 */
export async function gateKernel(requested: readonly SymbolRequest[], directory: string): Promise<void> {
  const path = join(directory, ".config");
  const config = readDotConfig(await readFile(path, "utf8"), path, "CONFIG_");
  const kconfig = parseKconfig({ root: directory, file: "Kconfig", environment: { SRCARCH: "x86", ARCH: "x86_64" }, prefix: "CONFIG_" });
  const error = gateError(gate({ requested, config, kconfig }), requested.length);
  if (error !== undefined) throw error;
}
