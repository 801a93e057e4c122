import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkDefconfig } from "../kconfig/check-defconfig.js";
import { formatFinding } from "../kconfig/format.js";
import { HalError } from "../lib/errors.js";
import { note, print, printJson } from "../lib/terminal.js";

interface Options {
  readonly buildroot?: string;
  readonly external: readonly string[];
  readonly json?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Runs the Kconfig gate on a defconfig and prints every line that Buildroot does not honour.
 * @throws HalError "check" when there is such a line
 */
export async function reportDefconfig(file: string, options: Options): Promise<void> {
  if (options.buildroot === undefined) throw new HalError("input", "--defconfig needs a Buildroot tree", { remedy: "--buildroot DIR" });
  const output = await mkdtemp(join(tmpdir(), "hal-gate-"));
  try {
    const report = await checkDefconfig(
      { file, buildroot: options.buildroot, externals: options.external, output },
      { signal: options.signal },
    );
    if (options.json) printJson({ requested: report.requested, lost: report.lost, findings: report.findings });
    else for (const finding of report.findings) print(formatFinding(finding).join("\n"));
    if (report.lost > 0 || report.findings.length > 0)
      throw new HalError("check", `Buildroot does not honour ${report.lost} of ${report.requested} lines`, { at: { file } });
    note(`Buildroot honours all ${report.requested} lines`);
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}
