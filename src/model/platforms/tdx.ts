import { x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** The vsock context id at which Cocos Manager expects the quote generation service. */
const COCOS_QUOTE_CID = 2;

/** Intel TDX. The machine has exactly the options of the Cocos documentation. */
export const tdx: Platform = {
  name: "tdx",
  confidential: true,
  starts: "machine",
  emulator: x86,
  defaults: { cpuModel: "host" },
  machine: { type: "q35", options: { kernel_irqchip: "split", hpet: "off" }, nodefaults: true, noReboot: true },
  // The TEE's private memory needs a shared memory backend that can discard pages (QEMU docs/system/i386/tdx.rst).
  memory: { id: "mem0", options: {} },
  virtio: undefined,
  net: { id: "nic0_td" },
  flash: false,
  needsFirmware: true,
  allows: ["firmware", "forwards", "monitors", "quoteGenerationSocket", "shares"],
  refusal: () => undefined,
  tee: {
    describe: ({ quoteGenerationSocket }) => ({
      type: "tdx",
      id: "tdx",
      ...(quoteGenerationSocket === undefined ? {} : { quoteGenerationSocket }),
    }),
    qemu: ({ id, quoteGenerationSocket: socket }) => ({
      type: "tdx-guest",
      form: "json",
      properties: {
        id,
        "quote-generation-socket": socket === undefined ? undefined : { type: "vsock", cid: String(socket.cid), port: String(socket.port) },
      },
    }),
    libvirt: (tee) => ({
      attributes: { type: "tdx" },
      // libvirt connects to the quote generation service through a Unix socket, not through vsock.
      elements: tee.quoteGenerationSocket === undefined ? {} : { quoteGenerationService: "" },
    }),
    idBlock: undefined,
  },
  cocos: {
    refusal: ({ tee }) =>
      tee?.quoteGenerationSocket !== undefined && tee.quoteGenerationSocket.cid !== COCOS_QUOTE_CID
        ? {
            message: `Cocos Manager expects the quote generation service at context id ${COCOS_QUOTE_CID}`,
            remedy: `set launch.quoteGenerationSocket.cid: ${COCOS_QUOTE_CID}`,
          }
        : undefined,
    settings: (tee) => ({
      ENABLE_SEV_SNP: false,
      ENABLE_TDX: true,
      TDX_ID: tee?.id,
      QUOTE_GENERATION_PORT: tee?.quoteGenerationSocket?.port,
    }),
    startsFromFlash: false,
  },
  kernelHeader: "tdx",
  measures: ["tdx"],
  registers: () => [{ platform: "tdx", registers: ["mrtd", "rtmr1", "rtmr2"] }],
  eventLog: { kind: "ccel", of: "tdx" },
  unreleasable: undefined,
  evidence: { kind: "TDX quote", fields: { mrtd: "MRTD", rtmr1: "RTMR1", rtmr2: "RTMR2" } },
  unmeasuredDisk: () => undefined,
};
