import { createHash, hash } from "node:crypto";
import { pageSize } from "../../codecs/x86.js";
import type { Measured, MeasuredStep } from "../steps.js";

const digestSize = 48;
/** The address at which KVM launches every VMSA. */
export const vmsaGpa = 0xfffffffff000n;

/** PAGE_TYPE (AMD SEV-SNP ABI 56860, table "PAGE_INFO"). `contents`: the digest covers the page's contents and not only its address. */
const pageTypes = {
  normal: { number: 1, words: "normal", contents: true },
  vmsa: { number: 2, words: "VMSA", contents: true },
  zero: { number: 3, words: "zero", contents: false },
  unmeasured: { number: 4, words: "unmeasured", contents: false },
  secrets: { number: 5, words: "secrets", contents: false },
  cpuid: { number: 6, words: "CPUID", contents: false },
} as const;

export type SnpPageType = keyof typeof pageTypes;

/** Consecutive pages of one type. */
export interface SnpRegion {
  readonly type: SnpPageType;
  readonly gpa: bigint;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  /** Contents of normal and VMSA pages, `size` bytes; absent for normal pages of zeros. */
  readonly data?: Uint8Array;
  /** A description in words. */
  readonly what: string;
  readonly from?: string;
}

/** The launch digest before the first page. */
export const emptyLaunchDigest: Uint8Array = new Uint8Array(digestSize);

/**
 * Extends a launch digest by regions, in launch order (AMD SEV-SNP ABI 56860, SNP_LAUNCH_UPDATE, "PAGE_INFO"). For each page:
 * LD = SHA-384(LD ‖ SHA-384(contents) or zeros ‖ u16 0x70 ‖ u8 type ‖ u8 IMI=0 ‖ 3 VMPL permissions=0 ‖ 0 ‖ u64 gpa).
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
        // Equal pages in a row, such as zeros and flash padding, are hashed once.
        if (previous === undefined || Buffer.compare(previous, page) !== 0) info.set(hash("sha384", page, "buffer"), digestSize);
        previous = page;
      }
      info.writeBigUInt64LE(region.gpa + BigInt(offset), 2 * digestSize + 8);
      info.set(hash("sha384", info, "buffer"), 0);
    }
  }
  return info.subarray(0, digestSize);
}

/** A launch digest with the regions that it covers. */
export function launchDigest(digest: Uint8Array, regions: readonly SnpRegion[]): Measured {
  return {
    digest: Buffer.from(digest).toString("hex"),
    // A getter, because it hashes every region a second time.
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

/** SHA-384 of the contents of a region. It hashes zeros page by page, so that they need no memory. */
function contentsDigest({ data, size }: SnpRegion): string {
  if (data !== undefined) return hash("sha384", data, "hex");
  const digest = createHash("sha384");
  for (let offset = 0; offset < size; offset += pageSize) digest.update(zeroPage);
  return digest.digest("hex");
}
