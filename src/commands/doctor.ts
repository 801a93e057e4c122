import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { namespaceObjection, WITHOUT_FIXED_PATHS } from "../backends/buildroot/dirs.js";
import { HalError } from "../lib/errors.js";
import { type HostTool, hostTools } from "../lib/host-tools.js";
import { note, print, printJson, table } from "../lib/terminal.js";
import { findTool, runCommand } from "../lib/tools.js";

/** Which host tools are missing, and the one command that installs them; runs it with `--install`. Whether there are namespaces too. */
export async function doctor(options: { json?: boolean; install?: boolean }): Promise<void> {
  const found = await Promise.all(hostTools.map(async (entry) => ({ ...entry, path: await findTool(entry.tool) })));
  const missing = found.filter((entry) => entry.path === undefined);
  const command = installCommand(missing);
  const refused = await namespacesRefused();
  const namespaces = { permitted: refused === undefined, ...(refused === undefined ? {} : { why: refused }) };
  if (options.json) printJson({ tools: found, missing: missing.map((entry) => entry.tool), install: command, namespaces });
  else {
    const rows = found.map((entry) => [
      entry.path === undefined ? "missing" : "ok",
      entry.tool,
      entry.stage,
      entry.path ?? `package ${entry.package}: ${entry.for}`,
    ]);
    const why = refused === undefined ? "the same image in any build directory" : `${refused}: ${WITHOUT_FIXED_PATHS}`;
    print(table([...rows, [refused === undefined ? "ok" : "no", "namespaces", "buildroot", why]]));
    if (missing.length > 0) print(`\nTo install what is missing:\n  ${command.join(" ")}`);
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

async function namespacesRefused(): Promise<string | undefined> {
  const dir = await mkdtemp(join(tmpdir(), "hal-doctor-"));
  try {
    return await namespaceObjection(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function installCommand(missing: readonly HostTool[]): string[] {
  const packages = [...new Set(missing.map((entry) => entry.package))].sort();
  const apt = ["apt-get", "install", "--yes", "--no-install-recommends", ...packages];
  return process.getuid?.() === 0 ? apt : ["sudo", ...apt];
}
