import { readFile } from "node:fs/promises";
import { HalError } from "../lib/errors.js";
import type { RunOptions } from "../lib/tools.js";
import type { SymbolRequest } from "../model/resolved.js";
import { type DotConfig, readDotConfig } from "./dotconfig.js";
import type { GateFinding } from "./finding.js";
import { lostLines } from "./format.js";
import { gate } from "./gate.js";
import { parseKconfig } from "./parse.js";
import { buildrootEnvironment, type ResolvedConfig, resolveBuildrootConfig } from "./resolve-config.js";

export interface DefconfigCheck {
  readonly file: string;
  readonly buildroot: string;
  readonly externals: readonly string[];
  /** A directory that the check may fill: Buildroot's `O=`. */
  readonly output: string;
}

export interface DefconfigReport {
  /** Lines that ask for something. */
  readonly requested: number;
  /** How many of them do not hold. */
  readonly lost: number;
  readonly findings: readonly GateFinding[];
  readonly resolved: ResolvedConfig;
}

/**
 * The gate on anybody's defconfig: which of its lines Buildroot does not honour, and why.
 * @throws HalError "input" when the file, the tree or its Kconfig cannot be read, "command" when make fails
 */
export async function checkDefconfig(check: DefconfigCheck, options: RunOptions = {}): Promise<DefconfigReport> {
  const defconfig = readDotConfig(await readText(check.file), check.file);
  const resolved = await resolveBuildrootConfig({ ...check, defconfig: check.file }, options);
  const kconfig = parseKconfig({
    root: check.buildroot,
    file: "Config.in",
    environment: await buildrootEnvironment(check.buildroot, check.output),
    prefix: "",
  });
  const requested = requestsOf(defconfig);
  const findings = [...malformed(defconfig), ...gate({ requested, config: resolved.config, kconfig })];
  return { requested: requested.length, lost: lostLines(findings), findings: byLine(findings), resolved };
}

/** Every line of a configuration file as a request of that file. */
export function requestsOf(config: DotConfig): readonly SymbolRequest[] {
  return config.lines.map((line) => ({ ...line, by: "this file" }));
}

/** The lines that Kconfig reads as something else than was meant. */
export function malformed(config: DotConfig): readonly GateFinding[] {
  return config.problems.map(({ symbol, at, message, remedy }) => ({
    kind: "malformed",
    symbol: symbol ?? "",
    wanted: "",
    actual: "",
    at,
    by: "this file",
    message,
    because: [],
    remedy,
  }));
}

function byLine(findings: readonly GateFinding[]): readonly GateFinding[] {
  return [...findings].sort((a, b) => (a.at.line ?? 0) - (b.at.line ?? 0));
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new HalError("input", "the defconfig cannot be read", { at: { file }, cause });
  }
}
