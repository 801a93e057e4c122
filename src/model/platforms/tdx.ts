import { x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** Where Cocos Manager looks for the quote generation service. */
const COCOS_QUOTE_CID = 2;

/** Intel TDX. The machine is that of the Cocos documentation, option by option. */
export const tdx: Platform = {
  name: "tdx",
  confidential: true,
  starts: "machine",
  emulator: x86,
  defaults: { cpuModel: "host" },
  machine: { type: "q35", options: { kernel_irqchip: "split", hpet: "off" }, nodefaults: true, noReboot: true },
  // Private memory must be shared memory that can be discarded (QEMU docs/system/i386/tdx.rst).
  memory: { id: "mem0", options: {} },
  virtio: undefined,
  net: { id: "nic0_td" },
  flash: false,
  needsFirmware: true,
  allows: ["firmware", "forwards", "monitors", "quoteGenerationSocket", "shares"],
  objection: () => undefined,
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
      // libvirt reaches the quote generation service through its Unix socket, not through vsock.
      elements: tee.quoteGenerationSocket === undefined ? {} : { quoteGenerationService: "" },
    }),
    idBlock: undefined,
  },
  cocos: {
    objection: ({ tee }) =>
      tee?.quoteGenerationSocket !== undefined && tee.quoteGenerationSocket.cid !== COCOS_QUOTE_CID
        ? {
            message: `Cocos Manager looks for the quote generation service at context id ${COCOS_QUOTE_CID}`,
            remedy: `launch.quoteGenerationSocket.cid: ${COCOS_QUOTE_CID}`,
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
