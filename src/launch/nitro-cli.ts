import { HalError } from "../errors.js";
import type { Launch } from "../generated/types.js";
import { located, refuseControl } from "./quote.js";

const MiB = 2 ** 20;

/**
 * `nitro-cli run-enclave` for the image's EIF (AWS Nitro Enclaves user guide, "nitro-cli run-enclave").
 * A debug image starts in debug mode, which gives a console and reports every PCR as zeros.
 * @throws HalError "input" when the image has no EIF
 */
export function nitroArgv(launch: Omit<Launch, "argv">, options: { readonly base?: string } = {}): readonly string[] {
  if (launch.eif === undefined) {
    throw new HalError("input", `image '${launch.profile}' has no EIF, which is all that a Nitro enclave starts from`, {
      remedy:
        launch.platform === "nitro"
          ? "this build of hal made no EIF: start the kernel with --platform none"
          : "build a profile with platform: nitro",
    });
  }
  return [
    "nitro-cli",
    "run-enclave",
    "--eif-path",
    refuseControl(located(options.base, launch.eif.path), "the EIF's path"),
    "--cpu-count",
    String(launch.cpu.count),
    "--memory",
    String(Math.ceil(launch.memory.bytes / MiB)),
    ...(launch.vsock === undefined ? [] : ["--enclave-cid", String(launch.vsock.cid)]),
    "--enclave-name",
    launch.profile,
    ...(launch.debug ? ["--debug-mode"] : []),
  ];
}
