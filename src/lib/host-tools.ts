/** A host tool that hal or its tests run. */
export interface HostTool {
  /** The name of a program, or the path of a file. */
  readonly tool: string;
  /** The Debian package that contains it. */
  readonly package: string;
  readonly for: string;
  /** The work that needs it: a build with one of the backends, `hal run`, `hal test` (proof), or development of hal. */
  readonly stage: "debian" | "buildroot" | "run" | "proof" | "develop";
  /** hal's tests also run it. */
  readonly tests?: true;
}

/** All host tools. scripts/setup.sh has the same list. */
export const hostTools: readonly HostTool[] = [
  { tool: "mmdebstrap", package: "mmdebstrap", for: "root and tools trees of the debian backend", stage: "debian" },
  { tool: "newuidmap", package: "uidmap", for: "user namespaces with the ids of an image", stage: "debian" },
  { tool: "unshare", package: "util-linux", for: "namespaces that isolate a build", stage: "debian" },
  { tool: "mount", package: "mount", for: "bind and overlay mounts in a mount namespace", stage: "debian" },
  { tool: "cpio", package: "cpio", for: "initramfs archives and test probes", stage: "debian" },
  { tool: "qemu-system-x86_64", package: "qemu-system-x86", for: "hal run and hal test", stage: "run" },
  { tool: "busybox", package: "busybox-static", for: "the probe of hal test", stage: "proof" },
  { tool: "debugfs", package: "e2fsprogs", for: "hal test --hostile", stage: "proof" },
  { tool: "/usr/share/ovmf/OVMF.fd", package: "ovmf", for: "firmware of hal test --hostile and --tpm", stage: "proof" },
  { tool: "swtpm", package: "swtpm", for: "hal test --tpm", stage: "proof" },
  { tool: "make", package: "make", for: "buildroot", stage: "buildroot", tests: true },
  { tool: "gcc", package: "gcc", for: "buildroot", stage: "buildroot" },
  { tool: "g++", package: "g++", for: "buildroot", stage: "buildroot" },
  { tool: "rsync", package: "rsync", for: "buildroot", stage: "buildroot" },
  { tool: "bc", package: "bc", for: "buildroot", stage: "buildroot" },
  { tool: "unzip", package: "unzip", for: "buildroot", stage: "buildroot" },
  { tool: "file", package: "file", for: "buildroot", stage: "buildroot" },
  { tool: "wget", package: "wget", for: "buildroot", stage: "buildroot" },
  { tool: "git", package: "git", for: "buildroot", stage: "buildroot" },
  { tool: "perl", package: "perl", for: "buildroot", stage: "buildroot" },
  { tool: "shellcheck", package: "shellcheck", for: "the tests of the rendered shell", stage: "develop" },
  { tool: "faketime", package: "faketime", for: "the tests of reproducibility", stage: "develop" },
  { tool: "openssl", package: "openssl", for: "the tests of signed enclave images", stage: "develop" },
  { tool: "sfdisk", package: "fdisk", for: "the tests of partition tables", stage: "develop" },
  { tool: "cryptsetup", package: "cryptsetup-bin", for: "the tests of a foreign LUKS2 header", stage: "develop" },
  { tool: "veritysetup", package: "cryptsetup-bin", for: "the tests of dm-verity trees", stage: "develop" },
  { tool: "xmllint", package: "libxml2-utils", for: "the tests of the libvirt XML", stage: "develop" },
  { tool: "virt-xml-validate", package: "libvirt-clients", for: "the tests of the libvirt XML", stage: "develop" },
];

/** The Debian package that contains a tool; for an unknown tool, its name. */
export function packageOf(tool: string): string {
  return hostTools.find((entry) => entry.tool === tool)?.package ?? tool;
}
