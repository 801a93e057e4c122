import type { Launch } from "../model/generated.js";
import { nitroArgv } from "./nitro-cli.js";
import { qemuArgv } from "./qemu.js";

/** The command that starts an image on its own platform, run in the folder of launch.json. */
export function launchArgv(launch: Omit<Launch, "argv">): readonly string[] {
  return launch.boot === "enclave" ? nitroArgv(launch) : qemuArgv(launch);
}
