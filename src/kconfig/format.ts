import { formatLocation, HalError } from "../errors.js";
import type { GateFinding } from "./gate.js";

/** A finding for people: where and what, the reasons indented below, then what to do. */
export function formatFinding(finding: GateFinding): readonly string[] {
  const { at, message, because, remedy } = finding;
  const reasons = because.map(({ depth, text, at: source }) => {
    const from = source === undefined ? "" : `  [${source.file}:${source.line ?? 1}]`;
    return `  ${"  ".repeat(depth)}- ${text}${from}`;
  });
  return [`${formatLocation(at)}: ${message}`, ...reasons, `  ${remedy}`];
}

/** The kind "check" error of a gate that found something; undefined for one that did not. */
export function gateError(findings: readonly GateFinding[], requested: number): HalError | undefined {
  if (findings.length === 0) return undefined;
  return new HalError("check", `${findings.length} of ${requested} requested configuration lines do not hold`, {
    details: findings.flatMap(formatFinding),
    remedy: "nothing was built; change the lines below and run it again",
  });
}
