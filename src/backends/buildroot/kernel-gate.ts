import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readDotConfig } from "../../kconfig/dotconfig.js";
import { gateError } from "../../kconfig/format.js";
import { gate } from "../../kconfig/gate.js";
import { parseKconfig } from "../../kconfig/parse.js";
import type { Resolved, SymbolRequest } from "../../model/resolved.js";

/** Of two fragments that ask for the same symbol the later one holds, as merge_config.sh has it. */
export function kernelRequests(resolved: Resolved): readonly SymbolRequest[] {
  const requests = resolved.kernelFragments.flatMap((fragment) => fragment.requests);
  return [...new Map(requests.map((request) => [request.symbol, request])).values()];
}

/**
 * The gate on the kernel: every line of every fragment against the kernel's final `.config`.
 * @param output Buildroot's `O=`
 * @param directory where in it the kernel is configured
 * @throws HalError "check" with every lost line
 */
export async function gateKernel(resolved: Resolved, output: string, directory: string): Promise<void> {
  const source = join(output, directory);
  const path = join(source, ".config");
  const config = readDotConfig(await readFile(path, "utf8"), path, "CONFIG_");
  const requested = kernelRequests(resolved);
  const kconfig = parseKconfig({ root: source, file: "Kconfig", environment: { SRCARCH: "x86", ARCH: "x86_64" }, prefix: "CONFIG_" });
  const error = gateError(gate({ requested, config, kconfig }), requested.length);
  if (error !== undefined) throw error;
}
