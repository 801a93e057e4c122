import { HalError } from "../lib/errors.js";
import { formatTable, print, printJson, shortDigests } from "../lib/terminal.js";
import { verifyEventLog } from "../verify/eventlog.js";
import { verifyRegisters } from "../verify/registers.js";
import { verifyOutput } from "../verify/verify.js";

interface Options {
  readonly json?: boolean;
  readonly eventlog?: string;
  readonly registers?: string;
  readonly memory?: string;
  readonly qemuVersion?: string;
  readonly firmwareVersion?: string;
  readonly platform?: "none";
  readonly initrd?: string;
  readonly uki?: string;
}

/**
 * Recomputes every claim of an image directory, also with the registers of a machine, or compares an event log with the prediction.
 * @throws HalError "check" when a claim is false, "input" for a directory without a manifest
 */
export async function verify(dir: string, options: Options): Promise<void> {
  const { eventlog } = options;
  const findings =
    eventlog === undefined
      ? [...(await verifyOutput(dir)), ...(options.registers === undefined ? [] : await verifyRegisters(dir, options.registers))]
      : await verifyEventLog(dir, { ...options, eventlog, withoutTee: Boolean(options.platform) });
  const failed = findings.filter((finding) => !finding.ok).length;
  if (options.json) printJson(findings);
  else {
    const rows = findings.map(({ what, ok, expected, found }) => [
      ok ? "ok" : "FAIL",
      what,
      shortDigests(ok ? (found ?? "") : `${found}; expected: ${expected}`),
    ]);
    print(`${formatTable(rows)}\n${findings.length - failed} of ${findings.length} checks passed`);
  }
  if (failed > 0) throw new HalError("check", `${failed} of ${findings.length} checks failed`, { at: { file: dir } });
}
