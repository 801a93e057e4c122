import { createHash } from "node:crypto";
import { hashTreeSize } from "../codecs/verity.js";
import { parseSize } from "../lib/size.js";
import type { Layout, Profile } from "./generated.js";
import type { Partition } from "./resolved.js";

/** Partition type GUIDs of the Discoverable Partitions Specification, section "Defined Partition Type UUIDs" (x86-64). */
const typeGuids = {
  esp: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  root: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  verity: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
  rw: "0fc63daf-8483-4772-8e79-3d69d8477de4",
  swap: "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
} as const satisfies Record<Partition["name"], string>;

/** genimage starts each partition at a multiple of this, in bytes. It pads a partition that has no size of its own. */
export const partitionAlignment = 2 ** 20;

/** Returns the partitions of disk.img, in disk order. An image with its root in RAM has no partition, except an ESP for boot: uki. */
export function partitionsOf(profileName: string, boot: Profile["boot"], layout: Layout): Partition[] {
  const partition = (name: Partition["name"], size?: number): Partition => ({
    name,
    type: typeGuids[name],
    uuid: stableUuid(`${profileName}/${name}`),
    size,
  });
  const esp = boot === "uki" ? [partition("esp")] : [];
  if (layout.root.type === "ram") return esp;
  const rootBytes = parseSize(layout.root.size);
  return [
    ...esp,
    partition("root", rootBytes),
    partition("verity", aligned(hashTreeSize(rootBytes))),
    ...(layout.rw === undefined ? [] : [partition("rw", parseSize(layout.rw.size))]),
    ...(layout.swap === undefined ? [] : [partition("swap", parseSize(layout.swap.size))]),
  ];
}

/** Rounds bytes up to the next multiple of the alignment. */
export function aligned(bytes: number): number {
  return Math.ceil(bytes / partitionAlignment) * partitionAlignment;
}

/** Returns the UUID of a name: version 8 (RFC 9562, section 5.8), from a SHA-256 digest. The same name gives the same UUID. */
export function stableUuid(name: string): string {
  const bytes = createHash("sha256").update(`hal/v1/${name}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
