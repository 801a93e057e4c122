import { cmdlineBytesWithNul } from "../../codecs/cmdline.js";
import { sha256 } from "../../lib/digest.js";
import { HalError } from "../../lib/errors.js";
import { type ExplainedValue, type Inputs, needed, noFirmware, type Prediction, unifiedKernel, type Value } from "../request.js";
import type { Measured } from "../steps.js";
import type { KernelHashes } from "./hashes-table.js";
import type { SevEsLaunch } from "./sev-digest.js";

/** QEMU looks for it before it takes a file for a kernel (hw/i386/x86-common.c, load_elfboot). */
const elfMagic = Buffer.from("\x7fELF", "latin1");

interface LaunchDigest {
  readonly platform: "sev" | "sev-es" | "sev-snp";
  readonly bank: Value["bank"];
  readonly digest: (launch: SevEsLaunch) => Measured;
  /** SEV_FEATURES unless given; absent where vCPUs are not measured. */
  readonly guestFeatures?: string;
}

/** One launch digest for each number of vCPUs, or one where they are not measured. */
export async function launchDigests({ platform, bank, digest, guestFeatures }: LaunchDigest, inputs: Inputs): Promise<Prediction> {
  const { request } = inputs;
  const firmware = await inputs.firmware();
  if (firmware === undefined) return { values: [], notPredicted: [{ platform, register: "launchDigest", why: noFirmware }] };
  const parts = { firmware: firmware.parsed, ...(await kernelHashes(inputs)) };
  const kernel = parts.kernel === undefined ? [] : ["kernel", "initrd", "cmdline"];
  const value = (measured: Measured, holdsFor: Value["holdsFor"], from: readonly string[]): ExplainedValue => ({
    platform,
    register: "launchDigest",
    bank,
    value: measured.digest,
    holdsFor: { firmware: firmware.sha256, ...holdsFor },
    from: ["firmware", ...kernel, ...from],
    steps: () => measured.steps,
  });
  const notPredicted =
    request.boot === "uki-disk"
      ? [
          {
            platform,
            register: "kernel, initrd and command line",
            why: "the firmware reads them from the disk, and no launch digest covers them",
          },
        ]
      : [];
  if (guestFeatures === undefined) {
    return { values: [value(digest({ ...parts, vcpus: 1, cpuModel: "", guestFeatures: 0n }), {}, [])], notPredicted };
  }
  const cpuModel = needed(request.cpuModel, "--cpu-model", "each vCPU's first state has its signature");
  const features = BigInt(request.guestFeatures ?? guestFeatures);
  const values = request.vcpus.map((vcpus) =>
    value(
      digest({ ...parts, vcpus, cpuModel, guestFeatures: features }),
      { vcpus, cpuModel, guestFeatures: `0x${features.toString(16)}` },
      ["vcpus", "cpuModel", "guestFeatures"],
    ),
  );
  return { values, notPredicted };
}

async function kernelHashes(inputs: Inputs): Promise<{ readonly kernel?: KernelHashes }> {
  const { boot, initrds, cmdline = "" } = inputs.request;
  if (boot === "uki-disk") return {};
  const kernel = boot === "uki-kernel" ? await unifiedKernel(inputs.request) : await inputs.kernel();
  if (kernel === undefined) {
    if (initrds.length === 0 && cmdline === "") return {};
    throw new HalError("input", `${initrds.length > 0 ? "--initrd" : "--cmdline"} without a kernel: QEMU starts nothing with it`, {
      remedy: "give --kernel",
    });
  }
  if (Buffer.from(kernel.bytes.subarray(0, elfMagic.length)).equals(elfMagic))
    throw new HalError("input", "is an ELF file, which QEMU starts by itself and hashes nothing of", {
      at: { file: kernel.file, offset: 0 },
      remedy: "give a bzImage, or another file that UEFI firmware starts",
    });
  const bytes = (hex: string): Uint8Array => Buffer.from(hex, "hex");
  return {
    kernel: {
      kernel: bytes(sha256(kernel.bytes)),
      initrd: bytes((await inputs.initrdSha256()) ?? sha256("")),
      cmdline: bytes(sha256(cmdlineBytesWithNul(cmdline))),
    },
  };
}
