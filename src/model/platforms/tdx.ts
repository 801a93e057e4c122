import { bits, x86 } from "./machine.js";
import type { Platform } from "./platform.js";

/** The vsock context id at which Cocos Manager expects the quote generation service. */
const COCOS_QUOTE_CID = 2;

/**
 * TD ATTRIBUTES (Intel TDX Module ABI specification, "TD ATTRIBUTES"). TUD (bits 0 to 7) must be 0, or the host can debug the guest.
 * MIGRATABLE (bit 29) lets a migration TD have the guest's memory. SEPT_VE_DISABLE (bit 28) is QEMU's default: without it, the host can
 * take pages away and the guest's exception handler runs (qapi/qom.json, TdxGuestProperties: sept-ve-disable).
 */
const attributeBits = { tud: 0xffn, septVeDisable: 1n << 28n, migratable: 1n << 29n } as const;
/** MRCONFIGID, MROWNER and MROWNERCONFIG have the size of a SHA-384 digest. QEMU sets them to zero. */
const ZEROS = "00".repeat(48);

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
  // XFAM depends on the processor, and MRSEAM and the TCB on the host: a verifier has its own rules for these.
  expect: () => [
    {
      platform: "tdx",
      field: "ATTRIBUTES",
      set: bits(attributeBits.septVeDisable),
      clear: bits(attributeBits.tud | attributeBits.migratable),
    },
    ...["MRCONFIGID", "MROWNER", "MROWNERCONFIG"].map((field) => ({ platform: "tdx" as const, field, allowed: [ZEROS] })),
  ],
  eventLog: { kind: "ccel", of: "tdx" },
  unreleasable: undefined,
  evidence: { kind: "TDX quote", fields: { mrtd: "MRTD", rtmr1: "RTMR1", rtmr2: "RTMR2" } },
  // TDVF measures the tables into RTMR0 (TDX Virtual Firmware Design Guide, section 8.3).
  coversTables: () => true,
  unmeasuredDisk: () => undefined,
};
