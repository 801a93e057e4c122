import { guestPolicy } from "./guest-policy.js";
import { modernVirtio, q35, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** AMD SEV-SNP ABI 56860, section 4.3 (Guest Policy). */
const policyBits = { debug: 1n << 19n, reservedOne: 1n << 17n } as const;
/** QEMU's own (qapi/qom.json, SevSnpGuestProperties: policy). */
const defaultPolicy = "0x30000";

/** AMD SEV-SNP. The machine is that of the Cocos documentation, option by option. */
export const sevSnp: Platform = {
  name: "sev-snp",
  confidential: true,
  starts: "machine",
  emulator: x86,
  defaults: { cpuModel: "EPYC-v4", policy: defaultPolicy },
  machine: q35,
  // Private memory must be shared memory that can be discarded (QEMU docs/system/i386/amd-memory-encryption.rst).
  memory: { id: "ram1", options: { share: true, prealloc: false, reserve: false } },
  virtio: modernVirtio,
  net: { id: "vmnic", rom: false },
  flash: false,
  needsFirmware: true,
  allows: ["firmware", "forwards", "hostData", "igvm", "monitors", "policy", "shares"],
  objection: ({ policy, igvm }, debug) => {
    if (policy === undefined) return undefined;
    // QEMU backends/igvm.c, qigvm_handle_policy: the file's own policy replaces the command line's.
    if (igvm !== undefined)
      return {
        key: "policy",
        message: "QEMU takes the guest policy of an IGVM guest from the file and ignores launch.policy",
        remedy: "remove launch.policy",
      };
    return guestPolicy(policy, {
      bits: 64n,
      debug: (value) => (value & policyBits.debug) !== 0n,
      debugRemedy: "clear bit 19, or set debug: true",
      debugImage: debug,
      refusal: (value) =>
        (value & policyBits.reservedOne) === 0n
          ? { what: "is refused by the processor: bit 17 must be one", remedy: `QEMU's own policy is ${defaultPolicy}` }
          : undefined,
    });
  },
  tee: {
    describe: ({ cbitpos, reducedPhysBits, policy, guestFeatures, hostData }, kernelHashes) => ({
      type: "sev-snp",
      id: "sev0",
      cbitpos,
      reducedPhysBits,
      ...(policy === undefined ? {} : { policy }),
      ...(kernelHashes ? { kernelHashes } : {}),
      guestFeatures,
      ...(hostData === undefined ? {} : { hostData }),
    }),
    qemu: (tee) => ({
      type: "sev-snp-guest",
      form: "options",
      properties: {
        id: tee.id,
        cbitpos: tee.cbitpos,
        "reduced-phys-bits": tee.reducedPhysBits,
        policy: tee.policy,
        "kernel-hashes": tee.kernelHashes,
        "host-data": tee.hostData,
        "id-block": tee.idBlock,
        "id-auth": tee.idAuth,
        "author-key-enabled": tee.authorKeyEnabled,
      },
    }),
    libvirt: (tee) => ({
      attributes: {
        type: "sev-snp",
        kernelHashes: tee.kernelHashes ? "yes" : undefined,
        authorKey: tee.authorKeyEnabled ? "yes" : undefined,
      },
      elements: {
        cbitpos: tee.cbitpos,
        reducedPhysBits: tee.reducedPhysBits,
        policy: tee.policy ?? defaultPolicy,
        idBlock: tee.idBlock,
        idAuth: tee.idAuth,
        hostData: tee.hostData,
      },
    }),
    idBlock: { digestOf: "sev-snp", policy: defaultPolicy },
  },
  cocos: {
    objection: ({ firmware }) =>
      firmware?.kind === "igvm" ? undefined : { message: "Cocos Manager starts SEV-SNP guests from an IGVM file", remedy: "launch.igvm" },
    settings: (tee) => ({
      ENABLE_SEV_SNP: true,
      ENABLE_TDX: false,
      SEV_SNP_ID: tee?.id,
      SEV_SNP_CBIT_POS: tee?.cbitpos,
      SEV_SNP_REDUCED_PHYS_BITS: tee?.reducedPhysBits,
      ENABLE_HOST_DATA: tee?.hostData !== undefined,
      HOST_DATA: tee?.hostData,
    }),
    startsFromFlash: false,
  },
  kernelHeader: "sev",
  measures: ["sev-snp", "vtpm"],
  registers: (_tee, firmware) => [
    { platform: "sev-snp", registers: ["launchDigest"] },
    // COCONUT-SVSM in the IGVM file has a vTPM; plain OVMF has none that the host does not control.
    ...(firmware?.kind === "igvm" ? [{ platform: "vtpm" as const, registers: ["pcr4", "pcr9"] }] : []),
  ],
  eventLog: { kind: "tpm", of: "vtpm" },
  unreleasable: undefined,
  evidence: { kind: "SEV-SNP attestation report", fields: { launchDigest: "MEASUREMENT" } },
  unmeasuredDisk: ({ igvm }) => (igvm === undefined ? "boot: direct, or launch.igvm, which has a vTPM" : undefined),
};
