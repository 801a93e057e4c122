import { createHash, hash, X509Certificate } from "node:crypto";
import { extendAll } from "../../lib/banks.js";
import { HalError } from "../../lib/errors.js";
import type { BootEvent, NotPredicted, RegisterValue } from "../events.js";

/** What the Nitro hypervisor measures of an enclave image. */
export interface NitroImage {
  readonly kernel: Uint8Array;
  readonly cmdline: Uint8Array;
  /** The first is the boot part, the others are the application. */
  readonly ramdisks: readonly Uint8Array[];
  /** PEM; of signed images. */
  readonly certificate?: string;
}

const notPredicted: readonly NotPredicted[] = [
  { register: "pcr3", why: "the IAM role of the parent instance: it belongs to the deployment, not to the image" },
  { register: "pcr4", why: "the instance ID of the parent: it belongs to the deployment, not to the image" },
];

type Part = Pick<BootEvent, "what" | "from"> & { readonly bytes: Uint8Array };

/**
 * PCR 0, 1, 2 and, of a signed image, 8 of a Nitro Enclave (AWS Nitro Enclaves User Guide, "Where to get an enclave's measurements";
 * aws-nitro-enclaves-image-format, EifHasher; QEMU hw/core/eif.c): each extends zeros once, with the SHA-384 of everything in it.
 */
export function predictNitro(image: NitroImage): {
  readonly values: readonly RegisterValue[];
  readonly notPredicted: readonly NotPredicted[];
} {
  const boot: Part[] = [
    { what: "kernel", bytes: image.kernel, from: "kernel" },
    { what: "command line", bytes: image.cmdline, from: "cmdline" },
  ];
  const ramdisks: Part[] = image.ramdisks.map((bytes, index) => ({
    what: `ramdisk ${index + 1} of ${image.ramdisks.length}`,
    bytes,
    from: "initrd",
  }));
  const values = [
    nitroRegister("pcr0", [...boot, ...ramdisks]),
    nitroRegister("pcr1", [...boot, ...ramdisks.slice(0, 1)]),
    nitroRegister("pcr2", ramdisks.slice(1)),
  ];
  if (image.certificate === undefined) {
    return { values, notPredicted: [...notPredicted, { register: "pcr8", why: "the image is not signed" }] };
  }
  const signer = { what: "signing certificate in DER", bytes: certificateDer(image.certificate), from: "certificate" };
  return { values: [...values, nitroRegister("pcr8", [signer])], notPredicted };
}

function nitroRegister(register: string, parts: readonly Part[]): RegisterValue {
  const digest = createHash("sha384");
  for (const { bytes } of parts) digest.update(bytes);
  return {
    register,
    bank: "sha384",
    value: extendAll("sha384", [digest.digest("hex")]),
    steps: parts.map(({ bytes, ...rest }) => ({ register, ...rest, digest: hash("sha384", bytes), size: bytes.length })),
  };
}

function certificateDer(pem: string): Uint8Array {
  try {
    return new X509Certificate(pem).raw;
  } catch (cause) {
    throw new HalError("input", "signing certificate: it is not an X.509 certificate in PEM", { cause });
  }
}
