import { kconfigValue } from "../kconfig/requests.js";
import { HalError } from "../lib/errors.js";
import { kconfigString } from "../lib/escape.js";
import { parseSize } from "../lib/size.js";
import { nearestOrigin } from "../load/tree.js";
import { stableUuid } from "../model/partitions.js";
import type { Resolved, SymbolRequest } from "../model/resolved.js";
import { refuseReserved } from "./reserved-symbols.js";

/** Symbols with their values as a .config writes them, and the reason where it is not plain. */
type Lines = readonly (readonly [symbol: string, value: string, why?: string])[];

/** A file of the rendered tree, as the defconfig names it. */
const external = (path: string): string => `"$(BR2_EXTERNAL_HAL_PATH)/${path}"`;

/**
 * Every Buildroot symbol of an image: the symbols of hal itself, then those of features and profile, which replace hal's defaults.
 * The defconfig contains this list, and the Kconfig gate checks it.
 * @throws HalError "input" for a profile that Buildroot cannot make, and for a symbol that belongs to hal (refuseReserved)
 */
export function buildrootSymbols(resolved: Resolved): SymbolRequest[] {
  const asked = new Set(resolved.buildrootRequests.map((request) => request.symbol));
  const implied = impliedSymbols(resolved);
  const toolchain = ownToolchainRequests(resolved);
  const isToolchain = ({ symbol, by }: SymbolRequest) => by === "hal (toolchain)" && toolchain.some((asked) => asked.symbol === symbol);
  refuseReserved(
    implied.filter((request) => !isToolchain(request)),
    [...resolved.buildrootRequests, ...toolchain],
  );
  return [...implied.filter((request) => !asked.has(request.symbol)), ...resolved.buildrootRequests];
}

/**
 * Refuses a unified kernel image, which Buildroot cannot make.
 * @throws HalError "input"
 */
export function refuseUki({ profile, origins }: Resolved): void {
  if (profile.boot !== "uki") return;
  throw new HalError("input", "the buildroot backend cannot make a unified kernel image", {
    at: nearestOrigin(origins, "/boot"),
    remedy: "use boot: direct, or build with --backend debian",
  });
}

/** A text of the profile as a Kconfig string; an error names the place of the value at the JSON pointer. */
type Quote = (text: string, pointer: string) => string;

function impliedSymbols(resolved: Resolved): SymbolRequest[] {
  refuseUki(resolved);
  const { profile, layout, origins } = resolved;
  const quote: Quote = (text, pointer) => kconfigString(text, nearestOrigin(origins, pointer));
  const part = (pointer: string, reason: string, lines: Lines): SymbolRequest[] =>
    lines.map(([symbol, value, why]) => ({
      symbol,
      value,
      at: nearestOrigin(origins, pointer),
      by: `hal (${reason})`,
      ...(why === undefined ? {} : { why }),
    }));
  return [
    ...part("/buildroot/toolchain", "toolchain", toolchain(resolved, quote)),
    ...part("/buildroot", "reproducible builds", build(resolved, quote)),
    ...part("/init", `init: ${profile.init}`, init(resolved)),
    ...part("/hostname", "hostname", hostname(resolved, quote)),
    ...part("/debug", `debug: ${profile.debug}`, login(resolved)),
    ...part("/layout", `layout: ${layout.name}`, rootfs(resolved)),
    ...part("/kernel", "kernel", kernel(resolved, quote)),
    ...(profile.ssh ? part("/ssh", "ssh: true", [["BR2_PACKAGE_OPENSSH", "y"]]) : []),
  ];
}

/** The symbols that describe an own toolchain. toolchain() merges them, but hal's symbols for other things are as reserved there. */
function ownToolchainRequests({ profile, origins }: Resolved): SymbolRequest[] {
  const { toolchain } = profile.buildroot;
  if (typeof toolchain === "string") return [];
  return Object.entries(toolchain.config).map(([symbol, value]) => {
    const at = nearestOrigin(origins, `/buildroot/toolchain/config/${symbol}`);
    return { symbol, value: kconfigValue(value, at), at, by: "toolchain" };
  });
}

function build({ profile }: Resolved, quote: Quote): Lines {
  const { primarySite } = profile.buildroot;
  return [
    ["BR2_REPRODUCIBLE", "y"],
    ["BR2_PER_PACKAGE_DIRECTORIES", "y"],
    ["BR2_DOWNLOAD_FORCE_CHECK_HASHES", "y"],
    ["BR2_GLOBAL_PATCH_DIR", external("patches"), "the hash of the kernel's archive"],
    ...(primarySite === undefined ? [] : ([["BR2_PRIMARY_SITE", quote(primarySite, "/buildroot/primarySite")]] as const)),
    ["BR2_PACKAGE_OVERRIDE_FILE", external("local.mk"), "sets SOURCE_DATE_EPOCH"],
  ];
}

function toolchain(resolved: Resolved, quote: Quote): Lines {
  const chosen = resolved.profile.buildroot.toolchain;
  if (chosen === "internal") {
    return [
      ["BR2_TOOLCHAIN_BUILDROOT", "y"],
      ["BR2_TOOLCHAIN_BUILDROOT_GLIBC", "y"],
      ["BR2_TOOLCHAIN_BUILDROOT_CXX", "y"],
      ...kernelHeaders(resolved),
    ];
  }
  if (chosen === "bootlin") {
    return [
      ["BR2_TOOLCHAIN_EXTERNAL", "y"],
      ["BR2_TOOLCHAIN_EXTERNAL_BOOTLIN", "y"],
      ["BR2_TOOLCHAIN_EXTERNAL_BOOTLIN_X86_64_GLIBC_STABLE", "y"],
    ];
  }
  const implied: Lines = [
    ["BR2_TOOLCHAIN_EXTERNAL", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_CUSTOM", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_PREINSTALLED", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_PATH", quote(chosen.external, "/buildroot/toolchain/external")],
    ["BR2_TOOLCHAIN_EXTERNAL_CUSTOM_PREFIX", quote(chosen.prefix, "/buildroot/toolchain/prefix")],
    [`BR2_TOOLCHAIN_EXTERNAL_GCC_${chosen.gcc}`, "y"],
    [`BR2_TOOLCHAIN_EXTERNAL_HEADERS_${chosen.headers.replace(".", "_")}`, "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_CUSTOM_GLIBC", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_CXX", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_INET_RPC", "n", "glibc has no RPC since 2.32, and Buildroot assumes it in every glibc"],
  ];
  const at = nearestOrigin(resolved.origins, "/buildroot/toolchain/config");
  const own = Object.entries(chosen.config).map(([symbol, value]) => [symbol, kconfigValue(value, at)] as const);
  return [...implied.filter(([symbol]) => !(symbol in chosen.config)), ...own];
}

/** The newest kernel series whose headers a Buildroot release has. */
const newestHeaders: Readonly<Record<string, string>> = { "2025.02": "6.12", "2026.02": "6.19" };

/** The headers of the kernel itself, or the newest that the release has where the kernel is newer. */
function kernelHeaders({ profile }: Resolved): Lines {
  const newest = newestHeaders[profile.buildroot.version.split(".").slice(0, 2).join(".")];
  const [major = 0, minor = 0] = profile.kernel.version.split(".").map(Number);
  const [knownMajor = 0, knownMinor = 0] = (newest ?? profile.kernel.version).split(".").map(Number);
  const known = major < knownMajor || (major === knownMajor && minor <= knownMinor);
  if (newest !== undefined && !known) return [[`BR2_KERNEL_HEADERS_${newest.replace(".", "_")}`, "y"]];
  return [
    ["BR2_KERNEL_HEADERS_AS_KERNEL", "y"],
    [
      `BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_${series(profile.kernel.version)}`,
      "y",
      "without it, Buildroot takes the headers for ancient and silently replaces glibc with uClibc",
    ],
  ];
}

/** Parts of systemd that Buildroot builds by default and that an image needs only where a feature asks for them. */
const systemdLeftOut: Lines = [
  ["BR2_PACKAGE_SYSTEMD_VCONSOLE", "n", "no image needs keyboard maps"],
  ["BR2_PACKAGE_SYSTEMD_HWDB", "n", "no image needs 13 MB of device names"],
  ["BR2_PACKAGE_SYSTEMD_PSTORE", "n", "it would read crash records of the host"],
  ["BR2_PACKAGE_SYSTEMD_HOSTNAMED", "n", "it would write to /etc, which is read-only"],
  ["BR2_PACKAGE_SYSTEMD_TIMEDATED", "n", "it would write to /etc, which is read-only"],
  ["BR2_PACKAGE_SYSTEMD_TIMESYNCD", "n", "it would ask time servers that nobody chose"],
  ["BR2_PACKAGE_SYSTEMD_NETWORKD", "n", "only a feature brings a network"],
];

function init({ profile }: Resolved): Lines {
  return [
    ...(profile.init === "systemd"
      ? ([
          ["BR2_INIT_SYSTEMD", "y"],
          ["BR2_INIT_SYSTEMD_VAR_NONE", "y"],
          ["BR2_PACKAGE_LIBSECCOMP", "y", "without it, systemd ignores SystemCallFilter= in units"],
          ...systemdLeftOut,
        ] as const)
      : ([["BR2_INIT_BUSYBOX", "y"]] as const)),
    ["BR2_PACKAGE_BUSYBOX", "y", "the shell and the tools of early boot"],
    ["BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES", external("board/hal/busybox.fragment")],
    ["BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW", "n"],
  ];
}

function hostname({ profile }: Resolved, quote: Quote): Lines {
  return [
    ["BR2_TARGET_GENERIC_HOSTNAME", quote(profile.hostname, "/hostname")],
    ["BR2_TARGET_GENERIC_ISSUE", '""'],
  ];
}

function login({ profile }: Resolved): Lines {
  return [
    ["BR2_TARGET_ENABLE_ROOT_LOGIN", profile.debug ? "y" : "n"],
    ["BR2_TARGET_GENERIC_GETTY", profile.debug ? "y" : "n"],
    ...(profile.debug ? ([["BR2_TARGET_GENERIC_GETTY_PORT", '"ttyS0"']] as const) : []),
  ];
}

function rootfs(resolved: Resolved): Lines {
  const { layout } = resolved;
  const common: Lines = [
    ["BR2_ROOTFS_OVERLAY", external("board/hal/overlay")],
    ["BR2_ROOTFS_USERS_TABLES", external("board/hal/users.table")],
    ["BR2_ROOTFS_DEVICE_TABLE", `"system/device_table.txt $(BR2_EXTERNAL_HAL_PATH)/board/hal/permissions.table"`],
    ["BR2_ROOTFS_POST_BUILD_SCRIPT", external("board/hal/post-build.sh")],
    ["BR2_ROOTFS_POST_IMAGE_SCRIPT", external("board/hal/post-image.sh")],
    ["BR2_TARGET_ROOTFS_TAR", "n"],
  ];
  if (layout.root.type === "ram") return [...common, ["BR2_TARGET_ROOTFS_CPIO", "y"]];
  const uuid = stableUuid(`${resolved.name}/root filesystem`);
  const options = `-b 4096 -O ^has_journal,^resize_inode -U ${uuid} -E hash_seed=${uuid},root_owner=0:0`;
  return [
    ...common,
    ["BR2_TARGET_ROOTFS_EXT2", "y"],
    ["BR2_TARGET_ROOTFS_EXT2_4", "y"],
    ["BR2_TARGET_ROOTFS_EXT2_LABEL", '"root"'],
    ["BR2_TARGET_ROOTFS_EXT2_SIZE", `"${parseSize(layout.root.size) / 1024}k"`],
    ["BR2_TARGET_ROOTFS_EXT2_RESBLKS", "0"],
    ["BR2_TARGET_ROOTFS_EXT2_MKFS_OPTIONS", `"${options}"`, "dm-verity needs blocks of 4 KiB"],
    ["BR2_PACKAGE_CRYPTSETUP", "y", "opens the verified root and the encrypted partitions"],
    ["BR2_PACKAGE_LVM2_STANDARD_INSTALL", "n", "cryptsetup needs libdevmapper only, and lvm2 looks for volumes on the host's disk"],
    ...(layout.rw === undefined ? [] : ([["BR2_PACKAGE_XFSPROGS", "y", "makes the read-write file system"]] as const)),
    ["BR2_PACKAGE_HOST_CRYPTSETUP", "y"],
    ["BR2_PACKAGE_HOST_E2FSPROGS", "y"],
    ["BR2_PACKAGE_HOST_GENIMAGE", "y"],
    ["BR2_PACKAGE_HOST_KMOD", "y"],
    ...(layout.compression === "zstd" ? ([["BR2_PACKAGE_HOST_ZSTD", "y"]] as const) : []),
  ];
}

function kernel(resolved: Resolved, quote: Quote): Lines {
  const { version, tarball } = resolved.profile.kernel;
  const fragments = resolved.kernelFragments.map(({ name }) => `$(BR2_EXTERNAL_HAL_PATH)/board/hal/kernel/${name}.config`);
  return [
    ["BR2_LINUX_KERNEL", "y"],
    ...(tarball === undefined
      ? ([
          ["BR2_LINUX_KERNEL_CUSTOM_VERSION", "y"],
          ["BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE", `"${version}"`],
        ] as const)
      : ([
          ["BR2_LINUX_KERNEL_CUSTOM_TARBALL", "y"],
          ["BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION", quote(`file://${tarball}`, "/kernel/tarball")],
        ] as const)),
    ["BR2_LINUX_KERNEL_USE_ARCH_DEFAULT_CONFIG", "y"],
    ["BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES", `"${fragments.join(" ")}"`],
    ["BR2_LINUX_KERNEL_NEEDS_HOST_LIBELF", "y"],
  ];
}

/** `6.12.91` → `6_12`, as Buildroot names a series of kernel headers. */
function series(version: string): string {
  return version.split(".").slice(0, 2).join("_");
}
