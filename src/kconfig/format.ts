import { formatLocation, HalError } from "../lib/errors.js";
import type { GateFinding } from "./finding.js";

/** A finding as lines of text: place and message, the reasons indented below, the remedy. */
export function formatFinding(finding: GateFinding): readonly string[] {
  const { at, message, because, remedy } = finding;
  const reasons = because.map(({ depth, text, at: source }) => {
    const from = source === undefined ? "" : `  [${source.file}:${source.line ?? 1}]`;
    return `  ${"  ".repeat(depth)}- ${text}${from}`;
  });
  return [`${formatLocation(at)}: ${message}`, ...reasons, `  ${remedy}`];
}

/** The number of lost lines. A line with two findings counts once; the finding about the kernel headers does not count. */
export function lostLines(findings: readonly GateFinding[]): number {
  const lines = findings.filter(({ kind }) => kind !== "kernel-headers").map(({ at, symbol }) => `${formatLocation(at)} ${symbol}`);
  return new Set(lines).size;
}

/** The kind "check" error for the findings of a gate; undefined without findings. */
export function gateError(findings: readonly GateFinding[], requested: number): HalError | undefined {
  if (findings.length === 0) return undefined;
  const lost = lostLines(findings);
  const what =
    lost === 0 ? "the series of the kernel headers is wrong" : `the configuration does not honour ${lost} of ${requested} requested lines`;
  return new HalError("check", what, {
    details: findings.flatMap(formatFinding),
    remedy: "nothing was built; correct the lines below and run hal again",
  });
}
