import type { BackendName, Resolved } from "../model/resolved.js";
import { rootContents } from "./root-contents.js";

/** Modules that early boot needs to mount the root, when the profile asks for them. */
const beforeRoot = new Set([
  "virtio_pci",
  "virtio_mmio",
  "virtio_blk",
  "virtio_scsi",
  "sd_mod",
  "nvme",
  "ahci",
  "dm_mod",
  "dm_verity",
  "dm_crypt",
  "dm_integrity",
  "ext4",
  "xfs",
]);

/** The modules of the encrypted partitions: cipher, mode, authentication, and the kernel interface of cryptsetup. */
const cryptography = ["dm_crypt", "dm_integrity", "aesni_intel", "xts", "authenc", "algif_skcipher", "algif_hash"];

/** The modules of an image in loading order. All of them load before the kernel refuses further modules. */
export interface Modules {
  /** From the initramfs, before the root is mounted. */
  readonly early: readonly string[];
  /** From the verified root. */
  readonly boot: readonly string[];
}

export function modulesOf(resolved: Resolved, backend: BackendName): Modules {
  const { modules } = rootContents(resolved, backend);
  const { root, rw, swap } = resolved.layout;
  if (root.type === "ram") return { early: [], boot: modules };
  const encrypted = rw !== undefined || swap !== undefined;
  return {
    early: [
      ...new Set([
        ...modules.filter((name) => beforeRoot.has(name)),
        "dm_verity",
        ...(encrypted ? cryptography : []),
        ...(rw === undefined ? [] : ["xfs"]),
      ]),
    ],
    boot: modules.filter((name) => !beforeRoot.has(name)),
  };
}
