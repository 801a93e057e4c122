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
  /** A directory that the check writes to: Buildroot's `O=`. */
  readonly output: string;
}

export interface DefconfigReport {
  /** Number of lines that request a symbol. */
  readonly requested: number;
  /** Number of these lines that the configuration does not honour. */
  readonly lost: number;
  readonly findings: readonly GateFinding[];
  readonly resolved: ResolvedConfig;
}

/**
 * Runs the gate on any defconfig: finds the lines that Buildroot does not honour, with the reasons.
 * @throws HalError "input" when the file, the tree or its Kconfig files cannot be read, "command" when make fails
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
  const findings = [...malformedLines(defconfig), ...gate({ requested, config: resolved.config, kconfig })];
  return { requested: requested.length, lost: lostLines(findings), findings: byLine(findings), resolved };
}

/** Each line of a configuration file as a request by that file. */
export function requestsOf(config: DotConfig): readonly SymbolRequest[] {
  return config.lines.map((line) => ({ ...line, by: "this file" }));
}

/** The lines that Kconfig reads differently than they look. */
export function malformedLines(config: DotConfig): readonly GateFinding[] {
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
    throw new HalError("input", "cannot read the defconfig", { at: { file }, cause });
  }
}
