import { HalError } from "../lib/errors.js";
import { type HostTool, hostTools } from "../lib/host-tools.js";
import { sandboxObjection } from "../lib/namespace.js";
import { formatTable, note, print, printJson } from "../lib/terminal.js";
import { findTool, runCommand } from "../lib/tools.js";

/**
 * Lists host tools and reports whether namespaces are permitted. Prints the command that installs the missing tools; with `--install`, runs
 * it.
 * @throws HalError "tool" when tools are missing and not installed
 */
export async function doctor(options: { json?: boolean; install?: boolean }): Promise<void> {
  const found = await Promise.all(hostTools.map(async (entry) => ({ ...entry, path: await findTool(entry.tool) })));
  const missing = found.filter((entry) => entry.path === undefined);
  const command = installCommand(missing);
  const refused = missing.some(({ package: name }) => ["util-linux", "uidmap"].includes(name))
    ? "tools are missing"
    : await sandboxObjection("many");
  const namespaces = { permitted: refused === undefined, ...(refused === undefined ? {} : { why: refused }) };
  if (options.json) printJson({ tools: found, missing: missing.map((entry) => entry.tool), install: command, namespaces });
  else {
    const rows = found.map((entry) => [
      entry.path === undefined ? "missing" : "ok",
      entry.tool,
      entry.stage,
      entry.path ?? `package ${entry.package}: ${entry.for}`,
    ]);
    print(formatTable([...rows, [refused === undefined ? "ok" : "no", "namespaces", "build", refused ?? "isolate a build"]]));
    if (missing.length > 0) print(`\nTo install the missing tools:\n  ${command.join(" ")}`);
  }
  if (missing.length === 0) return;
  if (options.install) {
    const [tool = "apt-get", ...args] = command;
    note(`+ ${command.join(" ")}`);
    await runCommand({ tool, args }, { onLine: note });
    return;
  }
  throw new HalError("tool", `${missing.length} host tools are missing: ${missing.map((entry) => entry.tool).join(", ")}`, {
    remedy: "hal doctor --install",
  });
}

function installCommand(missing: readonly HostTool[]): string[] {
  const packages = [...new Set(missing.map((entry) => entry.package))].sort();
  const apt = ["apt-get", "install", "--yes", "--no-install-recommends", ...packages];
  return process.getuid?.() === 0 ? apt : ["sudo", ...apt];
}
