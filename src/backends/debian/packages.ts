import type { Resolved } from "../../model/resolved.js";

interface Implied {
  readonly why: string;
  readonly when: (resolved: Resolved) => boolean;
  readonly packages: readonly string[];
}

/**
 * Packages that an image needs in addition to Debian's essential packages and to those of its profile and features.
 * docs/debian-backend.md contains this table.
 */
const implied: readonly Implied[] = [
  { why: "loads the kernel modules", when: () => true, packages: ["kmod"] },
  { why: "early boot, and the tools of a system without systemd", when: () => true, packages: ["busybox-static"] },
  {
    why: "PID 1, devices, network",
    when: ({ profile }) => profile.init === "systemd",
    packages: ["dbus", "systemd", "systemd-sysv", "udev"],
  },
  {
    why: "opens the verified root",
    when: ({ layout }) => layout.root.type === "verity",
    packages: ["cryptsetup-bin"],
  },
  {
    why: "encrypts and formats the read-write partition",
    when: ({ layout }) => layout.rw !== undefined,
    packages: ["cryptsetup-bin", "xfsprogs"],
  },
  { why: "encrypts swap", when: ({ layout }) => layout.swap !== undefined, packages: ["cryptsetup-bin"] },
  {
    why: "login on the console of a debug image",
    when: ({ profile }) => profile.debug && profile.init === "systemd",
    packages: ["login"],
  },
  { why: "remote login", when: ({ profile }) => profile.ssh, packages: ["openssh-server"] },
];

/** The packages to install: those of the profile and its features, and the implied ones; sorted, without duplicates. */
export function rootPackages(resolved: Resolved): readonly string[] {
  const more = implied.filter(({ when }) => when(resolved)).flatMap(({ packages }) => packages);
  return [...new Set([...resolved.debianPackages, ...more])].sort();
}

/** The name of Debian's kernel metapackage for a flavour. */
export function kernelPackage(flavour: Resolved["debianKernel"]): string {
  return flavour === "cloud" ? "linux-image-cloud-amd64" : "linux-image-amd64";
}

/** A tool in HOST_DIR/bin. */
export interface TreeTool {
  /** The Debian package that contains it. */
  readonly package: string;
  /** Its path in the tools tree. */
  readonly path: string;
  /** Its names in HOST_DIR/bin. */
  readonly names: readonly string[];
  /** Environment variables with paths in the tools tree, so that the tool reads no configuration of the host. */
  readonly env?: Readonly<Record<string, string>>;
  /** For a Python script: the path of Python in the tools tree. */
  readonly interpreter?: string;
}

const always: readonly TreeTool[] = [
  { package: "e2fsprogs", path: "usr/sbin/mke2fs", names: ["mke2fs", "mkfs.ext4"], env: { MKE2FS_CONFIG: "etc/mke2fs.conf" } },
  { package: "e2fsprogs", path: "usr/sbin/e2fsck", names: ["e2fsck"], env: { E2FSCK_CONFIG: "etc/e2fsck.conf" } },
  { package: "e2fsprogs", path: "usr/sbin/dumpe2fs", names: ["dumpe2fs"] },
  { package: "e2fsprogs", path: "usr/sbin/debugfs", names: ["debugfs"] },
  { package: "cryptsetup-bin", path: "usr/sbin/veritysetup", names: ["veritysetup"], env: { OPENSSL_CONF: "etc/ssl/openssl.cnf" } },
  { package: "genimage", path: "usr/bin/genimage", names: ["genimage"] },
  { package: "cpio", path: "usr/bin/cpio", names: ["cpio"] },
  { package: "gzip", path: "usr/bin/gzip", names: ["gzip"] },
  { package: "zstd", path: "usr/bin/zstd", names: ["zstd"] },
  { package: "xz-utils", path: "usr/bin/xz", names: ["xz"] },
  { package: "kmod", path: "usr/bin/kmod", names: ["kmod", "depmod", "modprobe", "modinfo"] },
  { package: "binutils", path: "usr/bin/readelf", names: ["readelf"] },
  {
    package: "dosfstools",
    path: "usr/sbin/mkfs.fat",
    names: ["mkfs.fat", "mkfs.vfat", "mkdosfs"],
    env: { GCONV_PATH: "usr/lib/x86_64-linux-gnu/gconv" },
  },
  {
    package: "mtools",
    path: "usr/bin/mtools",
    names: ["mtools", "mcopy", "mmd", "mformat", "mdir"],
    env: { GCONV_PATH: "usr/lib/x86_64-linux-gnu/gconv" },
  },
];

/** Enables the units of an image (post-build.sh). */
const forSystemd: readonly TreeTool[] = [{ package: "systemd", path: "usr/bin/systemctl", names: ["systemctl"] }];

const forUki: readonly TreeTool[] = [
  {
    package: "systemd-ukify",
    path: "usr/bin/ukify",
    names: ["ukify"],
    interpreter: "usr/bin/python3",
    env: { PYTHONHOME: "usr", PYTHONPATH: "usr/lib/python3/dist-packages" },
  },
];

/** The tools in HOST_DIR/bin for an image. */
export function treeTools({ profile }: Resolved): readonly TreeTool[] {
  return [...always, ...(profile.init === "systemd" ? forSystemd : []), ...(profile.boot === "uki" ? forUki : [])];
}

/** The packages of the tools tree, sorted, without duplicates. */
export function toolPackages(resolved: Resolved): readonly string[] {
  const more = resolved.profile.boot === "uki" ? ["python3", "systemd-boot-efi"] : [];
  return [...new Set([...treeTools(resolved).map((tool) => tool.package), ...more])].sort();
}
