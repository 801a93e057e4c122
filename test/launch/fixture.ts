import { type DescribeOptions, describeLaunch } from "../../src/launch/describe.js";
import type { FileDigest } from "../../src/lib/digest.js";
import type { Launch } from "../../src/model/generated.js";
import { platforms } from "../../src/model/platforms/index.js";
import type { Resolved } from "../../src/model/resolved.js";
import { resolve } from "../../src/resolve/resolve.js";

const digest = (digit: string) => digit.repeat(64);

const kernel = { name: "bzImage", size: 9_000_000, sha256: digest("a") };
const disk = { name: "disk.img", size: 2_000_000_000, sha256: digest("b") };
const initramfs = { name: "initramfs.cpio.gz", size: 5_800_000, sha256: digest("c") };
const rootfs = { name: "rootfs.cpio.gz", size: 90_000_000, sha256: digest("d") };
const eif = { name: "nitro.eif", size: 1_000_000, sha256: digest("e") };

export const artifacts = { hardened: [kernel, disk, initramfs] } as const;

/** The artifacts that a build of this image makes, with invented sizes and digests. */
export function artifactsOf({ layout, partitions, platform }: Resolved): readonly FileDigest[] {
  return [
    kernel,
    ...(partitions.length > 0 ? [disk] : []),
    layout.root.type === "ram" ? rootfs : initramfs,
    ...(platforms[platform].starts === "enclave" ? [eif] : []),
  ];
}

/** The firmware of an image that contains it. */
export const ownFirmware: DescribeOptions = { firmware: { sha256: digest("f") } };

/** The launch.json that `hal build` writes for a shipped profile. */
export async function launchOf(profile: string, set: readonly string[] = [], options: DescribeOptions = {}): Promise<Launch> {
  const resolved = await resolve(profile, { set });
  return describeLaunch(resolved, artifactsOf(resolved), resolved.cmdline.join(" "), options);
}
