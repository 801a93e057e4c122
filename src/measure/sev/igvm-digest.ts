import type { IgvmDirective, IgvmFile } from "../../codecs/igvm.js";
import { refuseOverlap } from "../../codecs/overlap.js";
import { pageSize } from "../../codecs/x86.js";
import type { Measured } from "../steps.js";
import { emptyLaunchDigest, extendLaunchDigest, launchDigest, type SnpRegion, vmsaGpa } from "./snp-pages.js";

/** 1 GiB of pages: bounds the work that a hostile file can cause. */
const maxPages = 256 * 1024;
const typeWords = { secrets: "secrets", cpuid: "CPUID values" } as const;
/** Offset of CR0 in the VMSA, and the values that KVM keeps: real and protected mode. */
const cr0Offset = 0x158;
const kvmCr0: ReadonlySet<number> = new Set([0x30, 0x31]);

export interface IgvmMeasured extends Measured {
  /** The digest that an ID block inside the file requires. The processor refuses to launch any other. */
  readonly idBlockDigest?: string;
  /** Reasons why QEMU with KVM would measure another digest, in words; empty for a file that is made for them. */
  readonly kvmObjections: readonly string[];
}

/**
 * The SEV-SNP launch digest of an IGVM file. It covers the pages, parameter areas and VMSAs for the SNP platform, in file order
 * (microsoft/igvm; COCONUT-SVSM igvmmeasure; AMD SEV-SNP ABI 56860). Of unmeasured pages and parameters, it covers only the addresses. A
 * measured page without data enters as a normal page of zeros. With `nativeZero`, it enters as a zero page, as in QEMU's loader.
 * A kind "input" error for a file without the SNP platform, and for a file that loaders measure differently.
 */
export function igvmSnpLaunchDigest(igvm: IgvmFile, options: { readonly nativeZero: boolean }): IgvmMeasured {
  const { reader } = igvm;
  const declared = igvm.platforms.find(({ type }) => type === "sev-snp");
  if (declared === undefined) throw reader.error(0, "IGVM file", "declares no SEV-SNP platform");
  const { mask } = declared;
  if ((igvm.relocatable & mask) !== 0) throw reader.error(0, "IGVM file", "the loader may move its memory, so its addresses are not known");

  const directives = igvm.directives.filter((directive) => (directive.mask & mask) !== 0);
  const pages = directives.reduce((count, { size }) => count + size / pageSize, 0);
  if (pages > maxPages) throw reader.error(0, "IGVM file", `${pages} pages are more than ${maxPages}`);
  refuseOverlap(
    reader,
    "IGVM directive",
    directives.filter(({ kind }) => kind !== "vpContext"),
  );
  const idBlock = igvm.idBlocks.find((block) => (block.mask & mask) !== 0);
  const regions = joinRegions(directives.map((directive) => snpRegion(igvm, directive, options.nativeZero)));
  const measured = launchDigest(extendLaunchDigest(emptyLaunchDigest, regions), regions);
  return {
    digest: measured.digest,
    get steps() {
      return measured.steps;
    },
    ...(idBlock === undefined ? {} : { idBlockDigest: idBlock.launchDigest }),
    kvmObjections: kvmObjections(directives),
  };
}

function snpRegion({ reader }: IgvmFile, directive: IgvmDirective, nativeZero: boolean): SnpRegion {
  const { gpa, size, offset } = directive;
  const region = { gpa, size, from: "igvm" };
  switch (directive.kind) {
    case "parameters":
      // igvmmeasure measures one page whatever the size, QEMU measures all pages.
      if (size !== pageSize)
        throw reader.error(offset, "IGVM parameter insert", `an area of ${size} bytes, which tools measure differently`);
      return { ...region, type: "unmeasured", what: "parameters" };
    case "vpContext":
      if (directive.data.length !== pageSize) throw reader.error(offset, "IGVM VP context", `a VMSA of ${directive.data.length} bytes`);
      return { ...region, type: "vmsa", data: directive.data, what: `vCPU ${directive.vpIndex} registers` };
    case "page": {
      const { type, unmeasured, shared, data } = directive;
      if (shared) throw reader.error(offset, "IGVM page data", "a shared page, which no SEV-SNP loader defines");
      if (type !== "normal") return { ...region, type, what: typeWords[type] };
      if (unmeasured) return { ...region, type: "unmeasured", what: "unmeasured data" };
      if (data !== undefined) return { ...region, type: "normal", data, what: "data" };
      return { ...region, type: nativeZero ? "zero" : "normal", what: "zeros" };
    }
  }
}

/** Joins regions that are adjacent in memory and, if they have data, in the file. A file has a header for every page. */
function joinRegions(regions: readonly SnpRegion[]): readonly SnpRegion[] {
  const joined: SnpRegion[] = [];
  for (const region of regions) {
    const last = joined.at(-1);
    const data = last === undefined ? undefined : joinData(last.data, region.data);
    if (last?.type === region.type && last.what === region.what && last.gpa + BigInt(last.size) === region.gpa && data !== null) {
      joined[joined.length - 1] = { ...last, size: last.size + region.size, ...(data === undefined ? {} : { data }) };
    } else joined.push(region);
  }
  return joined;
}

/** One view over two adjacent ones; null if they are not adjacent, undefined if neither exists. */
function joinData(a: Uint8Array | undefined, b: Uint8Array | undefined): Uint8Array | undefined | null {
  if (a === undefined && b === undefined) return undefined;
  if (a === undefined || b === undefined || a.buffer !== b.buffer || a.byteOffset + a.length !== b.byteOffset) return null;
  return new Uint8Array(a.buffer, a.byteOffset, a.length + b.length);
}

/** KVM makes the VMSA of the first vCPU and measures it last, at a fixed address (COCONUT-SVSM igvmmeasure --check-kvm). */
function kvmObjections(directives: readonly IgvmDirective[]): readonly string[] {
  const contexts = directives.filter((directive) => directive.kind === "vpContext");
  const last = directives.findLastIndex(({ kind }) => kind !== "vpContext");
  return [
    ...(contexts.length > 1 ? ["more than one VMSA"] : []),
    ...(directives.slice(0, Math.max(0, last)).some(({ kind }) => kind === "vpContext") ? ["a VMSA before other memory"] : []),
    ...contexts.flatMap(({ gpa, data }) => {
      const cr0 = data[cr0Offset] ?? 0;
      return [
        ...(gpa === vmsaGpa ? [] : [`a VMSA at 0x${gpa.toString(16)}`]),
        ...(kvmCr0.has(cr0) && data.slice(cr0Offset + 1, cr0Offset + 8).every((byte) => byte === 0) ? [] : ["a VMSA with another CR0"]),
      ];
    }),
  ];
}
