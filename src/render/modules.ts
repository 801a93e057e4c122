import type { Resolved } from "../model/resolved.js";

/** Modules that early boot needs before the root is mounted, when the profile asks for them. */
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
]);

/** What the layout's own encryption needs beside dm-crypt: the cipher, its mode, the authentication, and cryptsetup's way to them. */
const cryptography = ["dm_crypt", "dm_integrity", "aesni_intel", "xts", "authenc", "algif_skcipher", "algif_hash"];

/** The modules of an image in loading order. All are loaded before module loading is locked. */
export interface Modules {
  /** From the initramfs, before the root is mounted. */
  readonly early: readonly string[];
  /** From the verified root. */
  readonly boot: readonly string[];
  /** From the verified root, of features that the profile lets a backend leave out: where the kernel has them. */
  readonly optional: readonly string[];
}

export function modulesOf(resolved: Resolved): Modules {
  const omittable = new Set(resolved.debianOmitted);
  const features = (omitted: boolean): string[] =>
    resolved.features.filter(({ name }) => omittable.has(name) === omitted).flatMap(({ kernel }) => kernel.modules);
  const needed = new Set(plain([...resolved.profile.kernel.modules, ...features(false)]));
  const names = plain(resolved.modules).filter((name) => needed.has(name));
  const optional = plain(features(true)).filter((name) => !needed.has(name));
  if (resolved.layout.root.type === "ram") return { early: [], boot: names, optional };
  const encrypted = resolved.layout.rw !== undefined || resolved.layout.swap !== undefined;
  return {
    early: [...new Set([...names.filter((name) => beforeRoot.has(name)), "dm_verity", ...(encrypted ? cryptography : [])])],
    boot: names.filter((name) => !beforeRoot.has(name)),
    optional,
  };
}

/** A module's one name: modprobe takes `-` and `_` alike. */
function plain(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.replaceAll("-", "_")))];
}
