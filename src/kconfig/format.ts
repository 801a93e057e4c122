import { formatLocation, HalError } from "../lib/errors.js";
import type { GateFinding } from "./finding.js";

/** A finding for people: where and what, the reasons indented below, then what to do. */
export function formatFinding(finding: GateFinding): readonly string[] {
  const { at, message, because, remedy } = finding;
  const reasons = because.map(({ depth, text, at: source }) => {
    const from = source === undefined ? "" : `  [${source.file}:${source.line ?? 1}]`;
    return `  ${"  ".repeat(depth)}- ${text}${from}`;
  });
  return [`${formatLocation(at)}: ${message}`, ...reasons, `  ${remedy}`];
}

/** How many lines are lost: the kernel headers' trap is a cause, not a line, and a line may have two findings. */
export function lostLines(findings: readonly GateFinding[]): number {
  const lines = findings.filter(({ kind }) => kind !== "kernel-headers").map(({ at, symbol }) => `${formatLocation(at)} ${symbol}`);
  return new Set(lines).size;
}

/** The kind "check" error of a gate that found something; undefined for one that did not. */
export function gateError(findings: readonly GateFinding[], requested: number): HalError | undefined {
  if (findings.length === 0) return undefined;
  const lost = lostLines(findings);
  const what =
    lost === 0 ? "the kernel's headers are declared wrongly" : `${lost} of ${requested} requested configuration lines do not hold`;
  return new HalError("check", what, {
    details: findings.flatMap(formatFinding),
    remedy: "nothing was built; change the lines below and run it again",
  });
}
