import { apResetEip, type Firmware, hashesTableGpa } from "../../codecs/ovmf.js";
import { readSevMetadata, type SevSection, type SevSectionType } from "../../codecs/sev-metadata.js";
import { pageSize } from "../../codecs/x86.js";
import type { Measured } from "../steps.js";
import { cpuSignature } from "./cpu-models.js";
import { hashesTable, hashesTableSize, type KernelHashes } from "./hashes-table.js";
import { emptyLaunchDigest, extendLaunchDigest, launchDigest, type SnpPageType, type SnpRegion, vmsaGpa } from "./snp-pages.js";
import { checkGuestFeatures, checkVcpus, vcpuPages } from "./vcpus.js";

export interface SnpLaunch {
  readonly firmware: Firmware;
  readonly vcpus: number;
  /** A name for QEMU's `-cpu`. */
  readonly cpuModel: string;
  /** SEV_FEATURES of every vCPU (AMD APM volume 2, table B-4). The host's kernel and QEMU's options decide. Bit 0, SNPActive, is set. */
  readonly guestFeatures: bigint;
  /** Direct kernel boot with `kernel-hashes=on`. */
  readonly kernel?: KernelHashes;
}

/** The page type of each kind of metadata section (QEMU target/i386/sev.c, snp_metadata_desc_to_page_type). */
const sectionPages: Readonly<Record<SevSectionType, { readonly type: SnpPageType; readonly what: string }>> = {
  secMemory: { type: "zero", what: "firmware work memory" },
  secrets: { type: "secrets", what: "secrets" },
  cpuid: { type: "cpuid", what: "CPUID values" },
  svsmCallingArea: { type: "zero", what: "SVSM calling area" },
  kernelHashes: { type: "zero", what: "kernel hashes, no kernel given" },
};

/**
 * The SEV-SNP launch digest of OVMF under QEMU (AMD SEV-SNP ABI 56860; QEMU target/i386/sev.c, sev_snp_launch_finish). It covers the
 * pages of the firmware, its metadata sections in file order (one is the hashes page of a directly booted kernel), and one VMSA per vCPU.
 * A kind "input" error for firmware without SEV metadata, a kernel that the firmware does not measure, or an unknown CPU model.
 */
export function snpLaunchDigest(launch: SnpLaunch): Measured {
  const { firmware, kernel } = launch;
  checkGuestFeatures(launch.guestFeatures, "sev-snp");
  checkVcpus(launch.vcpus);
  const sections = readSevMetadata(firmware);
  if (kernel !== undefined) requireHashesPage(firmware, sections);

  const code = firmwareRegion(firmware);
  const rest: readonly SnpRegion[] = [
    ...sections.map((section) => sectionRegion(firmware, section, kernel)),
    ...vcpuPages(launch.vcpus, apResetEip(firmware), cpuSignature(launch.cpuModel), launch.guestFeatures).map(
      ({ page, what }): SnpRegion => ({ type: "vmsa", gpa: vmsaGpa, size: pageSize, data: page, what, from: "vcpus" }),
    ),
  ];
  return launchDigest(extendLaunchDigest(digestOfFirmware(firmware), rest), [code, ...rest]);
}

/** The digest after the pages of the firmware, kept because it is slow and the same for every vCPU count, CPU model and kernel. */
const firmwareDigests = new WeakMap<Firmware, Uint8Array>();

function digestOfFirmware(firmware: Firmware): Uint8Array {
  const known = firmwareDigests.get(firmware);
  if (known !== undefined) return known;
  const digest = extendLaunchDigest(emptyLaunchDigest, [firmwareRegion(firmware)]);
  firmwareDigests.set(firmware, digest);
  return digest;
}

function firmwareRegion({ gpa, reader }: Firmware): SnpRegion {
  return { type: "normal", gpa, size: reader.length, data: reader.bytes, what: "firmware", from: "firmware" };
}

function sectionRegion(firmware: Firmware, section: SevSection, kernel: KernelHashes | undefined): SnpRegion {
  const { gpa, size } = section;
  if (section.type !== "kernelHashes" || kernel === undefined || size === 0) {
    return { ...sectionPages[section.type], gpa, size, from: "firmware" };
  }
  const page = new Uint8Array(pageSize);
  page.set(hashesTable(kernel), Number(hashesTableGpa(firmware, hashesTableSize) ?? gpa) % pageSize);
  return { type: "normal", gpa, size, data: page, what: "SHA-256 of command line, initrd and kernel", from: "kernel, initrd, cmdline" };
}

/** Firmware measures a kernel only if it reserves the hashes page and states the address of the table in it. */
function requireHashesPage(firmware: Firmware, sections: readonly SevSection[]): void {
  const { reader } = firmware;
  const [section, second] = sections.filter(({ type, size }) => type === "kernelHashes" && size > 0);
  const table = hashesTableGpa(firmware, hashesTableSize);
  if (table === undefined || section === undefined) {
    throw reader.error(
      reader.length,
      "firmware",
      "has no kernel hashes table, so a directly booted kernel is not measured and cannot be predicted",
    );
  }
  if (second !== undefined) throw reader.error(second.offset, "SEV metadata section", "a second kernelHashes section");
  const offset = table - section.gpa;
  if (offset < 0n || offset + BigInt(hashesTableSize) > BigInt(pageSize)) {
    throw reader.error(section.offset, "SEV metadata section", `the hashes table at 0x${table.toString(16)} is not inside its page`);
  }
}
