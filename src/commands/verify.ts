import { HalError } from "../lib/errors.js";
import { print, printJson, shortDigests, table } from "../lib/terminal.js";
import { verifyEventLog } from "../verify/eventlog.js";
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

/** Recomputes every claim about an output directory, or holds an event log against the prediction; exit 5 when one does not hold. */
export async function verify(dir: string, options: Options): Promise<void> {
  const { eventlog } = options;
  const findings =
    eventlog === undefined
      ? await verifyOutput(dir)
      : await verifyEventLog(dir, { ...options, eventlog, withoutTee: Boolean(options.platform) });
  const wrong = findings.filter((finding) => !finding.ok);
  if (options.json) printJson(findings);
  else
    print(
      table(
        findings.map(({ what, ok, expected, found }) => [
          ok ? "ok" : "FAIL",
          what,
          shortDigests(ok ? (found ?? "") : `expected ${expected}, found ${found}`),
        ]),
      ),
    );
  if (wrong.length > 0) throw new HalError("check", `${wrong.length} of ${findings.length} claims do not hold`, { at: { file: dir } });
}
