import type { Launch, Profile } from "../generated.js";

export type PlatformName = NonNullable<Profile["platform"]>;
type Measured = Launch["measurements"]["values"][number];

/** What hal knows about one TEE: how QEMU starts it and which registers tell what was started. */
export interface Platform {
  readonly name: PlatformName;
  /** The QEMU CPU model when the profile names none. */
  readonly cpuModel: string;
  readonly machine: Launch["machine"];
  /** Options of the memfd backend: what the TEE's private memory is taken from. */
  readonly memory?: NonNullable<Launch["memory"]["backend"]>;
  readonly virtio?: NonNullable<Launch["virtio"]>;
  readonly net: { readonly id: string; readonly rom?: boolean };
  readonly tee?: { readonly type: NonNullable<Launch["tee"]>["type"]; readonly id: string };
  /** Whether QEMU accepts flash with a variable store: SEV-SNP and TDX have no read-only memory slots. */
  readonly flash: boolean;
  /** Whether it starts at all without firmware that was made for it. */
  readonly needsFirmware: boolean;
  /** The registers that hal predicts for it, by how it boots. */
  registers(tee: Launch["tee"], firmware: Launch["firmware"]): readonly Measured[];
}

const q35 = { type: "q35", options: {} } as const;
const modernVirtio = { "disable-legacy": true, iommu_platform: true } as const;

/** Bit 2 of a SEV guest policy: the registers are encrypted too (AMD SEV API 55766, section 3). */
const SEV_POLICY_ES = 4n;

/**
 * The machines are those of Cocos Manager and of the Cocos documentation, option by option: an image that ran there runs here.
 * The memory backend of SEV-SNP and TDX must be shared memory that can be discarded (QEMU docs/system/i386/{amd-memory-encryption,tdx}.rst).
 */
export const platforms: Readonly<Record<PlatformName, Platform>> = {
  "sev-snp": {
    name: "sev-snp",
    cpuModel: "EPYC-v4",
    machine: q35,
    memory: { id: "ram1", options: { share: true, prealloc: false, reserve: false } },
    virtio: modernVirtio,
    net: { id: "vmnic", rom: false },
    tee: { type: "sev-snp", id: "sev0" },
    flash: false,
    needsFirmware: true,
    registers: (_tee, firmware) => [
      { platform: "sev-snp", registers: ["launchDigest"] },
      // COCONUT-SVSM in the IGVM file brings a vTPM; plain OVMF under SEV-SNP has none that is not the host's.
      ...(firmware?.kind === "igvm" ? [{ platform: "vtpm" as const, registers: ["pcr4", "pcr9"] }] : []),
    ],
  },
  sev: {
    name: "sev",
    cpuModel: "EPYC",
    machine: q35,
    virtio: modernVirtio,
    net: { id: "vmnic", rom: false },
    tee: { type: "sev", id: "sev0" },
    flash: true,
    needsFirmware: true,
    registers: (tee) => [
      { platform: (BigInt(tee?.policy ?? "0x0") & SEV_POLICY_ES) === 0n ? "sev" : "sev-es", registers: ["launchDigest"] },
    ],
  },
  tdx: {
    name: "tdx",
    cpuModel: "host",
    machine: { type: "q35", options: { kernel_irqchip: "split", hpet: "off" }, nodefaults: true, noReboot: true },
    memory: { id: "mem0", options: {} },
    net: { id: "nic0_td" },
    tee: { type: "tdx", id: "tdx" },
    flash: false,
    needsFirmware: true,
    registers: () => [{ platform: "tdx", registers: ["mrtd", "rtmr1", "rtmr2"] }],
  },
  nitro: {
    name: "nitro",
    cpuModel: "host",
    machine: q35,
    net: { id: "vmnic", rom: false },
    flash: false,
    needsFirmware: false,
    registers: () => [{ platform: "nitro", registers: ["pcr0", "pcr1", "pcr2"] }],
  },
  none: {
    name: "none",
    cpuModel: "EPYC",
    machine: q35,
    virtio: modernVirtio,
    net: { id: "vmnic", rom: false },
    flash: true,
    needsFirmware: false,
    registers: () => [],
  },
};
