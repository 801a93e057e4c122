import { q35, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** The vsock context id of the parent instance (AWS Nitro Enclaves user guide, "nitro-cli run-enclave"). */
const PARENT_CID = 3;

/** PCR0 of an enclave in debug mode, as hex: SHA-384 registers of zeros (AWS Nitro Enclaves user guide, "Cryptographic attestation"). */
const DEBUG_PCR0 = "00".repeat(48);

/** AWS Nitro Enclaves. The only virtual device of an enclave is a vsock. */
export const nitro: Platform = {
  name: "nitro",
  confidential: true,
  starts: "enclave",
  emulator: x86,
  defaults: { cpuModel: "host" },
  machine: q35,
  memory: undefined,
  virtio: undefined,
  net: { id: "vmnic", rom: false },
  flash: false,
  needsFirmware: false,
  allows: [],
  refusal: ({ vsock }) =>
    vsock?.cid === PARENT_CID
      ? { key: "vsock", message: `launch.vsock.cid ${PARENT_CID} belongs to the parent instance`, remedy: "use 4 or more" }
      : undefined,
  tee: undefined,
  cocos: {
    refusal: () => ({ message: "Cocos Manager cannot start a Nitro enclave", remedy: "use --format nitro-cli" }),
    settings: () => ({}),
    startsFromFlash: false,
  },
  kernelHeader: "plain",
  measures: ["nitro"],
  registers: () => [{ platform: "nitro", registers: ["pcr0", "pcr1", "pcr2"] }],
  // hal starts a debug image in debug mode, and its evidence then proves nothing.
  expect: ({ debug }) => [{ platform: "nitro", field: "PCR0", ...(debug ? { allowed: [DEBUG_PCR0] } : { forbidden: [DEBUG_PCR0] }) }],
  eventLog: undefined,
  unreleasable: undefined,
  evidence: { kind: "Nitro attestation document", fields: { pcr0: "pcrs[0]", pcr1: "pcrs[1]", pcr2: "pcrs[2]", pcr8: "pcrs[8]" } },
  // The hypervisor, which is not the host, makes the tables.
  coversTables: () => true,
  unmeasuredDisk: () => undefined,
};
