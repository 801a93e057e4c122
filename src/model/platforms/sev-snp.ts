import { policyRefusal } from "./guest-policy.js";
import { bits, modernVirtio, q35, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** AMD SEV-SNP ABI 56860, section 4.3 (Guest Policy). */
const policyBits = { reservedOne: 1n << 17n, migrationAgent: 1n << 18n, debug: 1n << 19n } as const;
/** The privilege level of Linux: 0 under OVMF alone. COCONUT-SVSM runs at level 0 and Linux at level 2; both can request a report. */
const vmpl = { plain: ["0x0"], svsm: ["0x0", "0x2"] } as const;
/** HOST_DATA without a value of the launch: 32 bytes. */
const NO_HOST_DATA = "00".repeat(32);
/** Bits that the specification assigns; the rest must be 0. */
const POLICY_BITS = 26n;
/** QEMU's default (qapi/qom.json, SevSnpGuestProperties: policy). */
const defaultPolicy = "0x30000";

/** AMD SEV-SNP. The machine has exactly the options of the Cocos documentation. */
export const sevSnp: Platform = {
  name: "sev-snp",
  confidential: true,
  starts: "machine",
  emulator: x86,
  defaults: { cpuModel: "EPYC-v4", policy: defaultPolicy },
  machine: q35,
  // The TEE's private memory needs a shared memory backend that can discard pages (QEMU docs/system/i386/amd-memory-encryption.rst).
  memory: { id: "ram1", options: { share: true, prealloc: false, reserve: false } },
  virtio: modernVirtio,
  net: { id: "vmnic", rom: false },
  flash: false,
  needsFirmware: true,
  allows: ["firmware", "forwards", "hostData", "igvm", "monitors", "policy", "shares"],
  refusal: ({ policy, igvm }, debug) => {
    if (policy === undefined) return undefined;
    // In QEMU's backends/igvm.c, qigvm_handle_policy replaces the policy of the command line by that of the file.
    if (igvm !== undefined)
      return {
        key: "policy",
        message: "QEMU reads the guest policy from the IGVM file and ignores launch.policy",
        remedy: "remove launch.policy",
      };
    return policyRefusal(policy, {
      bits: 64n,
      allowsDebug: (value) => (value & policyBits.debug) !== 0n,
      debugRemedy: "clear bit 19, or set debug: true",
      debugImage: debug,
      refusal: (value) => {
        const remedy = `remove it, or use QEMU's default ${defaultPolicy}`;
        if ((value & policyBits.reservedOne) === 0n) return { what: "is refused by the processor, because bit 17 must be 1", remedy };
        if (value >> POLICY_BITS !== 0n)
          return { what: `is refused by the processor, because it has no bit above ${POLICY_BITS - 1n}`, remedy };
        if ((value & policyBits.migrationAgent) !== 0n)
          return { what: "lets a migration agent of the host export the guest's memory", remedy: "clear bit 18" };
        return undefined;
      },
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
    refusal: ({ firmware }) =>
      firmware?.kind === "igvm"
        ? undefined
        : { message: "Cocos Manager starts SEV-SNP guests only from an IGVM file", remedy: "set launch.igvm" },
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
    // COCONUT-SVSM in the IGVM file provides a vTPM. With plain OVMF, the host controls the vTPM.
    ...(firmware?.kind === "igvm" ? [{ platform: "vtpm" as const, registers: ["pcr4", "pcr9"] }] : []),
  ],
  // The TCB and the ID key are not known to a build: a verifier has its own rules for these.
  expect: ({ tee, firmware, debug }) => {
    const igvm = firmware?.kind === "igvm";
    const policy = tee?.policy ?? defaultPolicy;
    return [
      {
        platform: "sev-snp",
        field: "POLICY",
        // QEMU takes the policy of an IGVM file from that file.
        ...(igvm ? {} : { allowed: [policy] }),
        set: bits(policyBits.reservedOne),
        clear: bits(policyBits.migrationAgent | (debug ? 0n : policyBits.debug)),
      },
      { platform: "sev-snp", field: "VMPL", allowed: [...(igvm ? vmpl.svsm : vmpl.plain)] },
      {
        platform: "sev-snp",
        field: "HOST_DATA",
        allowed: [tee?.hostData === undefined ? NO_HOST_DATA : Buffer.from(tee.hostData, "base64").toString("hex")],
      },
      // The quote of the vTPM that the IGVM file starts.
      ...(igvm ? [{ platform: "vtpm" as const, field: "pcrSelect", includes: ["pcr4", "pcr9"] }] : []),
    ];
  },
  eventLog: { kind: "tpm", of: "vtpm" },
  unreleasable: undefined,
  evidence: { kind: "SEV-SNP attestation report", fields: { launchDigest: "MEASUREMENT" } },
  // With an IGVM file, the firmware measures the tables into PCR 1 of the vTPM.
  coversTables: ({ igvm }) => igvm !== undefined,
  unmeasuredDisk: ({ igvm }) => (igvm === undefined ? "set boot: direct, or launch.igvm with a vTPM" : undefined),
};
