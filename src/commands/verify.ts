import { HalError } from "../errors.js";
import { print, printJson, table } from "../output.js";
import { verifyArtifacts } from "../verify.js";

/** Recomputes the manifest's claims; exit 5 when one does not hold. */
export async function verify(dir: string, options: { json?: boolean; eventlog?: string }): Promise<void> {
  const findings = await verifyArtifacts(dir);
  const wrong = findings.filter((finding) => !finding.ok);
  if (options.json) printJson(findings);
  else
    print(
      table(
        findings.map(({ what, ok, expected, found }) => [
          ok ? "ok" : "FAIL",
          what,
          ok ? (found ?? "") : `expected ${expected}, found ${found}`,
        ]),
      ),
    );
  if (wrong.length > 0) throw new HalError("check", `${wrong.length} of ${findings.length} claims do not hold`, { at: { file: dir } });
}
