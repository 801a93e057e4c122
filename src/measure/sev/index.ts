import { cmdlineBytesWithNul } from "../../codecs/cmdline.js";
import { sha256 } from "../../lib/digest.js";
import { HalError } from "../../lib/errors.js";
import {
  type ExplainedValue,
  needed,
  noFirmware,
  type Prediction,
  type RequestFiles,
  readNamed,
  unifiedKernel,
  type Value,
} from "../request.js";
import type { Measured } from "../steps.js";
import type { KernelHashes } from "./hashes-table.js";
import { type SevEsLaunch, sevEsLaunchDigest, sevLaunchDigest } from "./sev-digest.js";
import { snpLaunchDigest } from "./snp-digest.js";

export function measureSev(files: RequestFiles): Promise<Prediction> {
  return measureFirmware({ platform: "sev", bank: "sha256", digest: sevLaunchDigest }, files);
}

export function measureSevEs(files: RequestFiles): Promise<Prediction> {
  return measureFirmware({ platform: "sev-es", bank: "sha256", guestFeatures: "0x0", digest: sevEsLaunchDigest }, files);
}

export function measureSnp(files: RequestFiles): Promise<Prediction> {
  const { igvm } = files.request;
  if (igvm !== undefined) return measureIgvm(igvm, files);
  return measureFirmware({ platform: "sev-snp", bank: "sha384", guestFeatures: "0x1", digest: snpLaunchDigest }, files);
}

interface LaunchDigest {
  readonly platform: "sev" | "sev-es" | "sev-snp";
  readonly bank: Value["bank"];
  readonly digest: (launch: SevEsLaunch) => Measured;
  /** SEV_FEATURES if the request has none; absent where vCPUs are not measured. */
  readonly guestFeatures?: string;
}

/** The launch digest of OVMF: one for each number of vCPUs, or only one where vCPUs are not measured. */
async function measureFirmware({ platform, bank, digest, guestFeatures }: LaunchDigest, files: RequestFiles): Promise<Prediction> {
  const { request } = files;
  const firmware = await files.firmware();
  if (firmware === undefined) return { values: [], notPredicted: [{ platform, register: "launchDigest", why: noFirmware }] };
  const parts = { firmware: firmware.parsed, ...(await kernelHashes(files)) };
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
  const cpuModel = needed(request.cpuModel, "--cpu-model", "the initial state of each vCPU contains the model's signature");
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

/** QEMU looks for this signature before it reads a file as a Linux kernel (hw/i386/x86-common.c, load_elfboot). */
const elfMagic = Buffer.from("\x7fELF", "latin1");

/** The hashes that QEMU puts into the hashes table; none for a boot without a kernel file. */
async function kernelHashes(files: RequestFiles): Promise<{ readonly kernel?: KernelHashes }> {
  const { boot, initrds, cmdline = "" } = files.request;
  if (boot === "uki-disk") return {};
  const kernel = boot === "uki-kernel" ? await unifiedKernel(files.request) : await files.kernel();
  if (kernel === undefined) {
    if (initrds.length === 0 && cmdline === "") return {};
    const option = initrds.length > 0 ? "--initrd" : "--cmdline";
    throw new HalError("input", `${option} without a kernel: QEMU starts nothing with it`, { remedy: "give --kernel" });
  }
  if (Buffer.from(kernel.bytes.subarray(0, elfMagic.length)).equals(elfMagic))
    throw new HalError("input", "is an ELF file, which QEMU starts without firmware and does not hash", {
      at: { file: kernel.file, offset: 0 },
      remedy: "give a bzImage, or another file that UEFI firmware starts",
    });
  const bytes = (hex: string): Uint8Array => Buffer.from(hex, "hex");
  return {
    kernel: {
      kernel: bytes(sha256(kernel.bytes)),
      initrd: bytes((await files.initrdSha256()) ?? sha256("")),
      cmdline: bytes(sha256(cmdlineBytesWithNul(cmdline))),
    },
  };
}

async function measureIgvm(igvm: string, { request }: RequestFiles): Promise<Prediction> {
  const { nativeZero, kernel, platforms } = request;
  const [{ readIgvm }, { igvmSnpLaunchDigest }] = await Promise.all([import("../../codecs/igvm.js"), import("./igvm-digest.js")]);
  const file = await readNamed(igvm);
  const measured = igvmSnpLaunchDigest(readIgvm(file.bytes, file.file), { nativeZero });
  const value: ExplainedValue = {
    platform: "sev-snp",
    register: "launchDigest",
    bank: "sha384",
    value: measured.digest,
    holdsFor: { igvm: sha256(file.bytes), nativeZero },
    from: ["igvm"],
    steps: () => measured.steps,
  };
  const notPredicted: Prediction["notPredicted"][number][] = [];
  const why = measured.kvmObjections.join("; ");
  if (why !== "") notPredicted.push({ platform: "sev-snp", register: "launchDigest under QEMU with KVM", why });
  if (kernel !== undefined && !platforms.includes("vtpm"))
    notPredicted.push({
      platform: "sev-snp",
      register: "kernel, initrd and command line",
      why: "the digest of an IGVM file covers what is in the file; the vTPM that it starts measures these (--platform vtpm)",
    });
  return { values: [value], notPredicted };
}
