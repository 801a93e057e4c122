import { policyRefusal } from "./guest-policy.js";
import { modernVirtio, q35, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** AMD SEV API 55766, section 3 (Guest Policy). Bit 2 selects SEV-ES, which also encrypts the CPU registers. */
const policyBits = { noDebug: 1n << 0n, encryptedState: 1n << 2n } as const;
/** QEMU's default (qapi/qom.json, SevGuestProperties: policy). The host cannot debug the guest. */
const defaultPolicy = "0x1";

/** AMD SEV and SEV-ES. The machine has exactly the options of Cocos Manager. */
export const sev: Platform = {
  name: "sev",
  confidential: true,
  starts: "machine",
  emulator: x86,
  defaults: { cpuModel: "EPYC", policy: defaultPolicy },
  machine: q35,
  memory: undefined,
  virtio: modernVirtio,
  net: { id: "vmnic", rom: false },
  flash: true,
  needsFirmware: true,
  allows: ["firmware", "forwards", "monitors", "policy", "shares"],
  refusal: ({ policy }, debug) =>
    policy === undefined
      ? undefined
      : policyRefusal(policy, {
          bits: 32n,
          bitsRemedy: "use 0x1, or 0x5 for SEV-ES",
          allowsDebug: (value) => (value & policyBits.noDebug) === 0n,
          debugRemedy: "set bit 0, or set debug: true",
          debugImage: debug,
        }),
  tee: {
    describe: ({ cbitpos, reducedPhysBits, policy }, kernelHashes) => ({
      type: "sev",
      id: "sev0",
      cbitpos,
      reducedPhysBits,
      ...(policy === undefined ? {} : { policy }),
      ...(kernelHashes ? { kernelHashes } : {}),
    }),
    qemu: (tee) => ({
      type: "sev-guest",
      form: "options",
      properties: {
        id: tee.id,
        cbitpos: tee.cbitpos,
        "reduced-phys-bits": tee.reducedPhysBits,
        policy: tee.policy,
        "kernel-hashes": tee.kernelHashes,
      },
    }),
    libvirt: (tee) => ({
      attributes: { type: "sev", kernelHashes: tee.kernelHashes ? "yes" : undefined },
      elements: { cbitpos: tee.cbitpos, reducedPhysBits: tee.reducedPhysBits, policy: tee.policy ?? defaultPolicy },
    }),
    idBlock: undefined,
  },
  cocos: {
    refusal: ({ tee, firmware }) => {
      if (tee?.kernelHashes || tee?.policy !== undefined)
        return {
          message: "Cocos Manager sets neither kernel hashes nor a guest policy for SEV",
          remedy: "set boot: uki, and remove launch.policy",
        };
      if (firmware?.kind === "bios")
        return {
          message: "Cocos Manager starts SEV guests only from flash with a variable store",
          remedy: "set launch.firmware: {path: …/OVMF_CODE.fd, vars: …/OVMF_VARS.fd}",
        };
      return undefined;
    },
    settings: (tee) => ({
      ENABLE_SEV: true,
      ENABLE_SEV_SNP: false,
      ENABLE_TDX: false,
      SEV_ID: tee?.id,
      SEV_CBITPOS: tee?.cbitpos,
      SEV_REDUCED_PHYS_BITS: tee?.reducedPhysBits,
    }),
    startsFromFlash: true,
    note: "Cocos Manager removed SEV (COCOS-456). Only older releases read these settings.",
  },
  kernelHeader: "sev",
  measures: ["sev", "sev-es"],
  registers: (tee) => [
    {
      platform: (BigInt(tee?.policy ?? defaultPolicy) & policyBits.encryptedState) === 0n ? "sev" : "sev-es",
      registers: ["launchDigest"],
    },
  ],
  // LAUNCH_MEASURE signs the policy together with the digest.
  expect: ({ tee }) => [
    {
      platform: (BigInt(tee?.policy ?? defaultPolicy) & policyBits.encryptedState) === 0n ? "sev" : "sev-es",
      field: "POLICY",
      allowed: [tee?.policy ?? defaultPolicy],
    },
  ],
  eventLog: { kind: "tpm", of: "vtpm" },
  unreleasable: undefined,
  evidence: { kind: "LAUNCH_MEASURE response", fields: { launchDigest: "the digest (GCTX.LD) under the MEASURE field" } },
  coversTables: () => false,
  unmeasuredDisk: () => "set boot: direct",
};
