import type { Resolved } from "../resolved.js";

/** Modules that early boot needs before the root is mounted, when the profile asks for them. */
const early = new Set([
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
const cryptography = ["aesni_intel", "xts", "authenc", "algif_skcipher", "algif_hash"];

/** The modules of an image in loading order, in two groups: before the root is mounted, and from the verified root. */
export function modulesOf(resolved: Resolved): { readonly early: readonly string[]; readonly boot: readonly string[] } {
  const names = resolved.modules.map((name) => name.replaceAll("-", "_"));
  if (resolved.layout.root.type === "ram") return { early: [], boot: names };
  const encrypted = resolved.layout.rw !== undefined || resolved.layout.swap !== undefined;
  return {
    early: [
      ...new Set([
        ...names.filter((name) => early.has(name)),
        "dm_verity",
        ...(encrypted ? ["dm_crypt", "dm_integrity", ...cryptography] : []),
      ]),
    ],
    boot: names.filter((name) => !early.has(name)),
  };
}

/** Every module that the root must have, with what it depends on. */
export function allModules(resolved: Resolved): readonly string[] {
  const { early, boot } = modulesOf(resolved);
  return [...early, ...boot];
}
