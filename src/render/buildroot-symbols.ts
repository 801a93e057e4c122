import { HalError } from "../lib/errors.js";
import { kconfigString } from "../lib/escape.js";
import { parseSize } from "../lib/size.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved, SymbolRequest } from "../model/resolved.js";
import { stableUuid } from "../resolve/partitions.js";

type Pairs = readonly (readonly [symbol: string, value: string])[];

/** A place in the rendered tree, as the defconfig names it. */
const external = (path: string): string => `"$(BR2_EXTERNAL_HAL_PATH)/${path}"`;

/**
 * Every Buildroot symbol of an image: what hal itself asks for, then what profile and features ask for, which
 * have the last word. This is the whole defconfig, and the list that the Kconfig gate compares.
 */
export function buildrootSymbols(resolved: Resolved): SymbolRequest[] {
  const asked = new Set(resolved.buildrootRequests.map((request) => request.symbol));
  return [...impliedSymbols(resolved).filter((request) => !asked.has(request.symbol)), ...resolved.buildrootRequests];
}

/** @throws HalError "input" for a profile that boots a unified kernel image, which Buildroot cannot make */
export function refuseUki({ profile, origins }: Resolved): void {
  if (profile.boot !== "uki") return;
  throw new HalError("input", "the buildroot backend cannot make a unified kernel image yet", {
    at: nearestOrigin(origins, "/boot"),
    remedy: "use boot: direct, or --backend debian",
  });
}

function impliedSymbols(resolved: Resolved): SymbolRequest[] {
  const part = (pointer: string, why: string, pairs: Pairs): SymbolRequest[] =>
    pairs.map(([symbol, value]) => ({ symbol, value, at: nearestOrigin(resolved.origins, pointer), by: `hal (${why})` }));
  const { profile, layout } = resolved;
  refuseUki(resolved);
  return [
    ...part("/buildroot", "reproducible builds", build(resolved)),
    ...part("/buildroot/toolchain", "toolchain", toolchain(resolved)),
    ...part("/init", `init: ${profile.init}`, init(resolved)),
    ...part("/layout", `layout: ${layout.name}`, rootfs(resolved)),
    ...part("/kernel", "kernel", kernel(resolved)),
    ...(profile.ssh ? part("/ssh", "ssh", [["BR2_PACKAGE_OPENSSH", "y"]]) : []),
  ];
}

function build(resolved: Resolved): Pairs {
  const { primarySite } = resolved.profile.buildroot;
  const at = nearestOrigin(resolved.origins, "/buildroot");
  return [
    ["BR2_REPRODUCIBLE", "y"],
    ["BR2_PER_PACKAGE_DIRECTORIES", "y"],
    ["BR2_DOWNLOAD_FORCE_CHECK_HASHES", "y"],
    ["BR2_GLOBAL_PATCH_DIR", external("patches")],
    ...(primarySite === undefined ? [] : ([["BR2_PRIMARY_SITE", kconfigString(primarySite, at)]] as const)),
    ["BR2_PACKAGE_OVERRIDE_FILE", external("local.mk")],
  ];
}

function toolchain(resolved: Resolved): Pairs {
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
  const at = nearestOrigin(resolved.origins, "/buildroot/toolchain/external");
  const implied: Pairs = [
    ["BR2_TOOLCHAIN_EXTERNAL", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_CUSTOM", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_PREINSTALLED", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_PATH", kconfigString(chosen.external, at)],
    ["BR2_TOOLCHAIN_EXTERNAL_CUSTOM_PREFIX", kconfigString(chosen.prefix, at)],
    [`BR2_TOOLCHAIN_EXTERNAL_GCC_${chosen.gcc}`, "y"],
    [`BR2_TOOLCHAIN_EXTERNAL_HEADERS_${chosen.headers.replace(".", "_")}`, "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_CUSTOM_GLIBC", "y"],
    ["BR2_TOOLCHAIN_EXTERNAL_CXX", "y"],
    // Buildroot assumes it of every glibc and then refuses the toolchain; glibc has had none since 2.32.
    ["BR2_TOOLCHAIN_EXTERNAL_INET_RPC", "n"],
  ];
  const own = Object.entries(chosen.config).map(([symbol, value]) => [symbol, plainValue(value, at)] as const);
  return [...implied.filter(([symbol]) => !(symbol in chosen.config)), ...own];
}

/** The newest kernel series that a Buildroot release knows the headers of. */
const newestHeaders: Readonly<Record<string, string>> = { "2025.02": "6.12", "2026.02": "6.19" };

/** Headers of the kernel itself; of the newest series that the release knows when the kernel is newer still. */
function kernelHeaders({ profile }: Resolved): Pairs {
  const newest = newestHeaders[profile.buildroot.version.split(".").slice(0, 2).join(".")];
  const [major = 0, minor = 0] = profile.kernel.version.split(".").map(Number);
  const [knownMajor = 0, knownMinor = 0] = (newest ?? profile.kernel.version).split(".").map(Number);
  const known = major < knownMajor || (major === knownMajor && minor <= knownMinor);
  if (newest !== undefined && !known) return [[`BR2_KERNEL_HEADERS_${newest.replace(".", "_")}`, "y"]];
  return [
    ["BR2_KERNEL_HEADERS_AS_KERNEL", "y"],
    // Without it a custom kernel counts as one with ancient headers, and glibc silently becomes uClibc.
    [`BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_${series(profile.kernel.version)}`, "y"],
  ];
}

function plainValue(value: string | number | boolean, at: Parameters<typeof kconfigString>[1]): string {
  if (typeof value === "boolean") return value ? "y" : "n";
  if (typeof value === "number" || /^([ymn]|0x[0-9a-fA-F]+)$/.test(value)) return String(value);
  return kconfigString(value, at);
}

/**
 * What Buildroot makes part of systemd unless told otherwise, and no image has a use for unless a feature says so:
 * keyboard maps (and with them kbd), 13 MB of names of devices, crash records that the host hands over (pstore), D-Bus
 * services that write to a read-only /etc, time from servers that nobody chose, a network in an enclave that has none.
 */
const systemdLeftOut = ["VCONSOLE", "HWDB", "PSTORE", "HOSTNAMED", "TIMEDATED", "TIMESYNCD", "NETWORKD"] as const;

function init(resolved: Resolved): Pairs {
  const { profile } = resolved;
  const at = nearestOrigin(resolved.origins, "/hostname");
  return [
    ...(profile.init === "systemd"
      ? ([
          ["BR2_INIT_SYSTEMD", "y"],
          ["BR2_INIT_SYSTEMD_VAR_NONE", "y"],
          // Without it systemd takes SystemCallFilter= of a unit, its own units' too, and does nothing about it.
          ["BR2_PACKAGE_LIBSECCOMP", "y"],
          ...systemdLeftOut.map((part) => [`BR2_PACKAGE_SYSTEMD_${part}`, "n"] as const),
        ] as const)
      : ([["BR2_INIT_BUSYBOX", "y"]] as const)),
    ["BR2_PACKAGE_BUSYBOX", "y"],
    ["BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES", external("board/hal/busybox.fragment")],
    ["BR2_TARGET_GENERIC_HOSTNAME", kconfigString(profile.hostname, at)],
    ["BR2_TARGET_GENERIC_ISSUE", '""'],
    ["BR2_TARGET_ENABLE_ROOT_LOGIN", profile.debug ? "y" : "n"],
    ["BR2_TARGET_GENERIC_GETTY", profile.debug ? "y" : "n"],
    ...(profile.debug ? ([["BR2_TARGET_GENERIC_GETTY_PORT", '"ttyS0"']] as const) : []),
    ["BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW", "n"],
  ];
}

function rootfs(resolved: Resolved): Pairs {
  const { layout } = resolved;
  const common: Pairs = [
    ["BR2_ROOTFS_OVERLAY", external("board/hal/overlay")],
    ["BR2_ROOTFS_USERS_TABLES", external("board/hal/users.table")],
    ["BR2_ROOTFS_DEVICE_TABLE", `"system/device_table.txt $(BR2_EXTERNAL_HAL_PATH)/board/hal/permissions.table"`],
    ["BR2_ROOTFS_POST_BUILD_SCRIPT", external("board/hal/post-build.sh")],
    ["BR2_ROOTFS_POST_IMAGE_SCRIPT", external("board/hal/post-image.sh")],
    ["BR2_TARGET_ROOTFS_TAR", "n"],
  ];
  if (layout.root.type === "ram") return [...common, ["BR2_TARGET_ROOTFS_CPIO", "y"]];
  const uuid = stableUuid(`${resolved.name}/root filesystem`);
  return [
    ...common,
    ["BR2_TARGET_ROOTFS_EXT2", "y"],
    ["BR2_TARGET_ROOTFS_EXT2_4", "y"],
    ["BR2_TARGET_ROOTFS_EXT2_LABEL", '"root"'],
    ["BR2_TARGET_ROOTFS_EXT2_SIZE", `"${parseSize(layout.root.size) / 1024}k"`],
    ["BR2_TARGET_ROOTFS_EXT2_RESBLKS", "0"],
    // dm-verity has 4 KiB blocks; mke2fs would take smaller ones for a small image.
    ["BR2_TARGET_ROOTFS_EXT2_MKFS_OPTIONS", `"-b 4096 -O ^has_journal,^resize_inode -U ${uuid} -E hash_seed=${uuid},root_owner=0:0"`],
    ["BR2_PACKAGE_CRYPTSETUP", "y"],
    // cryptsetup wants libdevmapper. The rest of lvm2 would look for volumes on whatever disk the host shows.
    ["BR2_PACKAGE_LVM2_STANDARD_INSTALL", "n"],
    ...(layout.rw === undefined ? [] : ([["BR2_PACKAGE_E2FSPROGS", "y"]] as const)),
    ["BR2_PACKAGE_HOST_CRYPTSETUP", "y"],
    ["BR2_PACKAGE_HOST_E2FSPROGS", "y"],
    ["BR2_PACKAGE_HOST_GENIMAGE", "y"],
    ["BR2_PACKAGE_HOST_KMOD", "y"],
    ...(layout.compression === "zstd" ? ([["BR2_PACKAGE_HOST_ZSTD", "y"]] as const) : []),
  ];
}

function kernel(resolved: Resolved): Pairs {
  const { version, tarball } = resolved.profile.kernel;
  const at = nearestOrigin(resolved.origins, "/kernel/tarball");
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
          ["BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION", kconfigString(`file://${tarball}`, at)],
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
