import { createHash, hash } from "node:crypto";
import { pageSize } from "../../codecs/x86.js";
import type { Measured, MeasuredStep } from "../steps.js";

const digestSize = 48;
/** KVM launches every VMSA at this address: all of the 52-bit page number that the processor keeps of −1. */
export const vmsaGpa = 0xfffffffff000n;

/** PAGE_TYPE (AMD SEV-SNP ABI 56860, table "PAGE_INFO"), and whether the page's contents are measured. */
const pageTypes = {
  normal: { number: 1, words: "normal", contents: true },
  vmsa: { number: 2, words: "VMSA", contents: true },
  zero: { number: 3, words: "zero", contents: false },
  unmeasured: { number: 4, words: "unmeasured", contents: false },
  secrets: { number: 5, words: "secrets", contents: false },
  cpuid: { number: 6, words: "CPUID", contents: false },
} as const;

export type SnpPageType = keyof typeof pageTypes;

/** Consecutive pages that are launched alike. */
export interface SnpRegion {
  readonly type: SnpPageType;
  readonly gpa: bigint;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  /** Contents of normal and VMSA pages, `size` bytes; normal pages without are zeros. */
  readonly data?: Uint8Array;
  /** What it is, in words. */
  readonly what: string;
  readonly from?: string;
}

/** The launch digest before the first page. */
export const emptyLaunchDigest: Uint8Array = new Uint8Array(digestSize);

/**
 * Extends a launch digest by regions in the order in which they are launched (AMD SEV-SNP ABI 56860, SNP_LAUNCH_UPDATE, "PAGE_INFO"):
 * per page LD = SHA-384(LD ‖ SHA-384(contents) or zeros ‖ u16 0x70 ‖ u8 type ‖ u8 IMI=0 ‖ 3 VMPL permissions=0 ‖ 0 ‖ u64 gpa).
 */
export function extendLaunchDigest(digest: Uint8Array, regions: readonly SnpRegion[]): Uint8Array {
  const info = Buffer.alloc(0x70);
  info.set(digest);
  info.writeUInt16LE(0x70, 2 * digestSize);
  for (const region of regions) {
    info[2 * digestSize + 2] = pageTypes[region.type].number;
    info.fill(0, digestSize, 2 * digestSize);
    let previous: Uint8Array | undefined;
    for (let offset = 0; offset < region.size; offset += pageSize) {
      if (pageTypes[region.type].contents) {
        const page = region.data?.subarray(offset, offset + pageSize) ?? zeroPage;
        // Runs of equal pages (zeros, flash padding) are hashed once.
        if (previous === undefined || Buffer.compare(previous, page) !== 0) info.set(hash("sha384", page, "buffer"), digestSize);
        previous = page;
      }
      info.writeBigUInt64LE(region.gpa + BigInt(offset), 2 * digestSize + 8);
      info.set(hash("sha384", info, "buffer"), 0);
    }
  }
  return info.subarray(0, digestSize);
}

/** A finished launch digest with the regions that made it. */
export function launchDigest(digest: Uint8Array, regions: readonly SnpRegion[]): Measured {
  return {
    digest: Buffer.from(digest).toString("hex"),
    // Computed when asked for: it hashes every region a second time.
    get steps() {
      return regions.filter(({ size }) => size > 0).map(explain);
    },
  };
}

const zeroPage = new Uint8Array(pageSize);

function explain(region: SnpRegion): MeasuredStep {
  const type = pageTypes[region.type];
  const pages = region.size / pageSize;
  const count = pages === 1 ? `1 ${type.words} page` : `${pages} ${type.words} pages`;
  return {
    register: "launchDigest",
    what: `${region.what}: ${count}`,
    ...(type.contents ? { digest: contentsDigest(region) } : {}),
    gpa: region.gpa,
    size: region.size,
    ...(region.from === undefined ? {} : { from: region.from }),
  };
}

/** Page by page, so that zeros take no memory. */
function contentsDigest({ data, size }: SnpRegion): string {
  if (data !== undefined) return hash("sha384", data, "hex");
  const digest = createHash("sha384");
  for (let offset = 0; offset < size; offset += pageSize) digest.update(zeroPage);
  return digest.digest("hex");
}
