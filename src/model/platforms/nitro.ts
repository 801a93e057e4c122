import { q35, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** The context id of the parent instance, as the enclave sees it (AWS Nitro Enclaves user guide, "nitro-cli run-enclave"). */
const PARENT_CID = 3;

/** AWS Nitro Enclaves. An enclave has one virtual device, its vsock. */
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
  objection: ({ vsock }) =>
    vsock?.cid === PARENT_CID
      ? { key: "vsock", message: `launch.vsock.cid ${PARENT_CID} is the parent instance's`, remedy: "4 or more" }
      : undefined,
  tee: undefined,
  cocos: {
    objection: () => ({ message: "Cocos Manager starts no Nitro enclaves", remedy: "--format nitro-cli" }),
    settings: () => ({}),
    startsFromFlash: false,
  },
  kernelHeader: "plain",
  measures: ["nitro"],
  registers: () => [{ platform: "nitro", registers: ["pcr0", "pcr1", "pcr2"] }],
  eventLog: undefined,
  unreleasable: undefined,
  evidence: { kind: "Nitro attestation document", fields: { pcr0: "pcrs[0]", pcr1: "pcrs[1]", pcr2: "pcrs[2]", pcr8: "pcrs[8]" } },
  unmeasuredDisk: () => undefined,
};
