import { sha256 } from "../../lib/digest.js";
import { type ExplainedValue, type Inputs, type Prediction, readNamed } from "../request.js";
import { launchDigests } from "./index.js";
import { snpLaunchDigest } from "./snp-digest.js";

export async function measureSnp(inputs: Inputs): Promise<Prediction> {
  const { igvm } = inputs.request;
  if (igvm !== undefined) return measureIgvm(igvm, inputs);
  return launchDigests({ platform: "sev-snp", bank: "sha384", guestFeatures: "0x1", digest: snpLaunchDigest }, inputs);
}

async function measureIgvm(igvm: string, { request }: Inputs): Promise<Prediction> {
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
