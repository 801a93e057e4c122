import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { located, refuseControl } from "./quote.js";

const MiB = 2 ** 20;
/** nitro-cli gives no enclave less memory than this many times its EIF (aws-nitro-enclaves-cli, resource_manager.rs). */
const MEMORY_PER_EIF = 4;

/**
 * `nitro-cli run-enclave` for the image's EIF (AWS Nitro Enclaves user guide, "nitro-cli run-enclave").
 * A debug image starts in debug mode, which gives a console and reports every PCR as zeros.
 * @throws HalError "input" when the image has no EIF, or nitro-cli would refuse to start it
 */
export function nitroArgv(launch: Omit<Launch, "argv">, options: { readonly base?: string } = {}): readonly string[] {
  if (launch.eif === undefined) {
    throw new HalError("input", `image '${launch.profile}' has no EIF, which is all that a Nitro enclave starts from`, {
      remedy: "build a profile with platform: nitro",
    });
  }
  const memory = Math.ceil(launch.memory.bytes / MiB);
  const least = MEMORY_PER_EIF * Math.ceil(launch.eif.size / MiB);
  if (memory < least)
    throw new HalError("input", `the enclave has ${memory} MiB, and nitro-cli demands ${MEMORY_PER_EIF} times its EIF: ${least} MiB`, {
      remedy: `launch.memory: ${least}M`,
    });
  return [
    "nitro-cli",
    "run-enclave",
    "--eif-path",
    refuseControl(located(options.base, launch.eif.path), "the EIF's path"),
    "--cpu-count",
    String(launch.cpu.count),
    "--memory",
    String(memory),
    ...(launch.vsock === undefined ? [] : ["--enclave-cid", String(launch.vsock.cid)]),
    "--enclave-name",
    launch.profile,
    ...(launch.debug ? ["--debug-mode"] : []),
  ];
}
