import { type DescribeOptions, describeLaunch } from "../../src/launch/describe.js";
import type { Launch } from "../../src/model/generated.js";
import { resolve } from "../../src/resolve/resolve.js";

const digest = (digit: string) => digit.repeat(64);

export const artifacts = {
  hardened: [
    { name: "bzImage", size: 9_000_000, sha256: digest("a") },
    { name: "disk.img", size: 2_000_000_000, sha256: digest("b") },
    { name: "initramfs.cpio.gz", size: 5_800_000, sha256: digest("c") },
  ],
  ram: [
    { name: "bzImage", size: 9_000_000, sha256: digest("a") },
    { name: "rootfs.cpio.gz", size: 90_000_000, sha256: digest("d") },
  ],
} as const;

/** What `hal build` would write into launch.json for a shipped profile. */
export async function launchOf(profile: string, set: readonly string[] = [], options: DescribeOptions = {}): Promise<Launch> {
  const resolved = await resolve(profile, { set });
  const files = resolved.layout.root.type === "ram" ? artifacts.ram : artifacts.hardened;
  return describeLaunch(resolved, files, resolved.cmdline.join(" "), options);
}
