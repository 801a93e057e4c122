import { createHash, hash } from "node:crypto";
import { readCertificate } from "../../codecs/eif-signer.js";
import { extendAll } from "../../lib/banks.js";
import type { BootEvent, NotPredicted, RegisterValue } from "../events.js";

/** The parts of an enclave image that the Nitro hypervisor measures. */
export interface NitroImage {
  readonly kernel: Uint8Array;
  readonly cmdline: Uint8Array;
  /** The first is the boot part, the others are the application. */
  readonly ramdisks: readonly Uint8Array[];
  /** PEM; absent for an unsigned image. */
  readonly certificate?: string;
}

const notPredicted: readonly NotPredicted[] = [
  { register: "pcr3", why: "the IAM role of the parent instance: it belongs to the deployment, not to the image" },
  { register: "pcr4", why: "the instance ID of the parent: it belongs to the deployment, not to the image" },
];

type Part = Pick<BootEvent, "what" | "from"> & { readonly bytes: Uint8Array };

function partsOf(image: NitroImage): { readonly boot: readonly Part[]; readonly ramdisks: readonly Part[] } {
  const ramdisks = image.ramdisks.map((bytes, index) => ({
    what: `ramdisk ${index + 1} of ${image.ramdisks.length}`,
    bytes,
    from: "initrd",
  }));
  const boot = [
    { what: "kernel", bytes: image.kernel, from: "kernel" },
    { what: "command line", bytes: image.cmdline, from: "cmdline" },
  ];
  return { boot, ramdisks };
}

/**
 * PCR 0, 1, 2 and, of a signed image, 8 of a Nitro Enclave (AWS Nitro Enclaves User Guide, "Where to get an enclave's measurements";
 * aws-nitro-enclaves-image-format, EifHasher; QEMU hw/core/eif.c). Each register extends zeros once, with the SHA-384 of all its parts.
 */
export function predictNitro(image: NitroImage): {
  readonly values: readonly RegisterValue[];
  readonly notPredicted: readonly NotPredicted[];
} {
  const { boot, ramdisks } = partsOf(image);
  const values = [
    nitroRegister("pcr0", [...boot, ...ramdisks]),
    nitroRegister("pcr1", [...boot, ...ramdisks.slice(0, 1)]),
    nitroRegister("pcr2", ramdisks.slice(1)),
  ];
  if (image.certificate === undefined) {
    return { values, notPredicted: [...notPredicted, { register: "pcr8", why: "the image is not signed" }] };
  }
  const signer = { what: "signing certificate in DER", bytes: readCertificate(image.certificate).raw, from: "certificate" };
  return { values: [...values, nitroRegister("pcr8", [signer])], notPredicted };
}

/** PCR 0 of an enclave image, hex: the value that an EIF's signature is over. */
export function enclavePcr0(image: NitroImage): string {
  const { boot, ramdisks } = partsOf(image);
  return nitroRegister("pcr0", [...boot, ...ramdisks]).value;
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
