import { runCommand } from "../lib/tools.js";
import { ordinary } from "../model/platforms/index.js";

/**
 * Words of the QEMU command that do not change the guest and take powers from QEMU: no configuration file of the user, and a filter for
 * system calls, if this QEMU has one. A guest that breaks out of QEMU then cannot start programs.
 */
export async function confinement(emulator = ordinary.emulator): Promise<readonly string[]> {
  const { stdout } = await runCommand({ tool: emulator, args: ["-help"] });
  const sandbox = /^-sandbox /m.test(stdout) ? ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"] : [];
  return ["-no-user-config", ...sandbox];
}
