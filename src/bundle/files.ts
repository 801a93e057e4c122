/**
 * The files of an image directory (`out/<profile>`), each named here and nowhere else. The templates that write some
 * of them (`post-image`, `genimage.cfg`) take the names from the view that `render` fills them with.
 */
export const files = {
  kernel: "bzImage",
  /** The root filesystem of a verity layout, its hash tree and its root hash in hex. */
  root: "rootfs.ext4",
  hashTree: "rootfs.verity",
  rootHash: "rootfs.roothash",
  /** GPT disk image: root, hash tree, and space for rw and swap. */
  disk: "disk.img",
  /** Unified kernel image. */
  uki: "boot.efi",
  firmware: "firmware.fd",
  firmwareVars: "firmware.vars.fd",
  igvm: "firmware.igvm",
  launch: "launch.json",
  measurements: "measurements.json",
  sbom: "sbom.cdx.json",
  manifest: "manifest.json",
  log: "build.log",
} as const;

/** Files of BINARIES_DIR that a build reads and does not publish. */
export const binaries = {
  /** The complete kernel command line, with `roothash=`; launch.json takes it over. */
  cmdline: "cmdline",
  /** The root filesystem of an image that lives in RAM, before it is compressed. */
  rootArchive: "rootfs.cpio",
} as const;

/** The two archives that can be the initrd: the whole root (RAM layouts), or early boot alone (verity layouts). */
const initrds = { ram: "rootfs", verity: "initramfs" } as const;

const suffixes = { gzip: "gz", zstd: "zst" } as const;

/** The initrd of a layout. */
export function initrdName(root: keyof typeof initrds, compression: keyof typeof suffixes): string {
  return `${initrds[root]}.cpio.${suffixes[compression]}`;
}

/** The Nitro enclave image of a profile. */
export function eifName(profile: string): string {
  return `${profile}.eif`;
}

/** The initrd: compressed as the layout says, or not at all. */
export function isInitrd(name: string): boolean {
  return /^(?:rootfs|initramfs)\.cpio(?:\.gz|\.zst)?$/.test(name);
}

export function isEif(name: string): boolean {
  return name.endsWith(".eif");
}

export function isUki(name: string): boolean {
  return name.endsWith(".efi");
}

const artifacts: readonly string[] = [files.kernel, files.root, files.hashTree, files.rootHash, files.disk];

/** A file of BINARIES_DIR that the build publishes: the kernel, and what post-image.sh makes. */
export function isArtifact(name: string): boolean {
  if (artifacts.includes(name)) return true;
  return (isInitrd(name) && !name.endsWith(".cpio")) || /^[a-z0-9-]+\.(?:eif|efi)$/.test(name);
}

/** A file of BINARIES_DIR that every build makes again; all others are a package's, such as the kernel. */
export function isRemade(name: string): boolean {
  return /^(?:rootfs|initramfs|disk|cmdline)\b/.test(name) || isEif(name) || isUki(name);
}

/** Files of an image directory that its manifest cannot list: the manifest itself, and the log, which contains times. */
export function isUnlisted(name: string): boolean {
  return name === files.manifest || name === files.log;
}
