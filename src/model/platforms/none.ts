import { modernVirtio, q35, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** An ordinary virtual machine, for development. It accepts the settings of TEEs, so that it can start their profiles. */
export const none: Platform = {
  name: "none",
  confidential: false,
  starts: "machine",
  emulator: x86,
  defaults: { cpuModel: "EPYC" },
  machine: q35,
  memory: undefined,
  virtio: modernVirtio,
  net: { id: "vmnic", rom: false },
  flash: true,
  needsFirmware: false,
  allows: ["firmware", "forwards", "hostData", "monitors", "policy", "quoteGenerationSocket", "shares"],
  refusal: () => undefined,
  tee: undefined,
  cocos: {
    refusal: () => undefined,
    settings: () => ({ ENABLE_SEV_SNP: false, ENABLE_TDX: false }),
    startsFromFlash: true,
  },
  kernelHeader: "plain",
  measures: ["vtpm"],
  registers: () => [],
  expect: () => [],
  eventLog: { kind: "tpm", of: "vtpm" },
  evidence: undefined,
  unreleasable: "no hardware protects it",
  coversTables: () => false,
  unmeasuredDisk: () => undefined,
};
