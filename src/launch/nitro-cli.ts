import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { pathFrom, refuseControlCharacters } from "./quote.js";

const MiB = 2 ** 20;
/** nitro-cli requires this many times the size of the EIF as memory (aws-nitro-enclaves-cli, resource_manager.rs). */
const MEMORY_PER_EIF = 4;

/**
 * Returns the `nitro-cli run-enclave` command for an image (AWS Nitro Enclaves user guide, "nitro-cli run-enclave").
 * A debug image starts in debug mode: the enclave gets a console, and every PCR in its attestation document is zero.
 * @param options `base` is the folder of launch.json; without it, the command must run in that folder
 * @throws HalError "input" if the image has no EIF, or if nitro-cli would refuse its memory size
 */
export function nitroArgv(launch: Omit<Launch, "argv">, options: { readonly base?: string } = {}): readonly string[] {
  if (launch.eif === undefined) {
    throw new HalError("input", `image '${launch.profile}' has no EIF, and a Nitro enclave starts only from an EIF`, {
      remedy: "build a profile with platform: nitro",
    });
  }
  const memory = Math.ceil(launch.memory.bytes / MiB);
  const least = MEMORY_PER_EIF * Math.ceil(launch.eif.size / MiB);
  if (memory < least)
    throw new HalError(
      "input",
      `the enclave has ${memory} MiB of memory, and nitro-cli requires ${MEMORY_PER_EIF} times its EIF: ${least} MiB`,
      {
        remedy: `set launch.memory to ${least}M`,
      },
    );
  return [
    "nitro-cli",
    "run-enclave",
    "--eif-path",
    refuseControlCharacters(pathFrom(options.base, launch.eif.path), "the path of the EIF"),
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
