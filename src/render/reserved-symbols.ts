import { HalError } from "../lib/errors.js";
import type { SymbolRequest } from "../model/resolved.js";

/** Buildroot symbols that a profile sets through a field of its own, or not at all, and the way to do it. */
const reserved: readonly { readonly symbols: RegExp; readonly remedy: string }[] = [
  { symbols: /^BR2_(?:TARGET_GENERIC_(?:ROOT_PASSWD|GETTY\w*)|TARGET_ENABLE_ROOT_LOGIN)$/, remedy: "use debug: true" },
  { symbols: /^BR2_TARGET_GENERIC_HOSTNAME$/, remedy: "use hostname" },
  { symbols: /^BR2_INIT_\w+$/, remedy: "use init" },
  { symbols: /^BR2_ROOTFS_(?:OVERLAY|SKELETON_\w+)$/, remedy: "use overlays" },
  { symbols: /^BR2_ROOTFS_USERS_TABLES$/, remedy: "use users" },
  { symbols: /^BR2_ROOTFS_(?:STATIC_)?DEVICE_TABLE\w*$/, remedy: "use files with a mode and an owner" },
  { symbols: /^BR2_ROOTFS_(?:PRE|POST)_\w+$/, remedy: "use overlays, files or buildroot.localMk" },
  { symbols: /^BR2_TARGET_ROOTFS_(?!TAR$|EXT2_LABEL$)\w+$/, remedy: "use layout and layoutOptions" },
  { symbols: /^BR2_LINUX_KERNEL(?:_VERSION|_PATCH|_CUSTOM_\w+|_LATEST\w*)?$/, remedy: "use kernel.version or kernel.tarball" },
  { symbols: /^BR2_LINUX_KERNEL_(?:USE_|DEFCONFIG|CONFIG_)\w*$/, remedy: "use kernel.config or kernel.fragments" },
  { symbols: /^BR2_PRIMARY_SITE(?:_ONLY)?$/, remedy: "use buildroot.primarySite" },
  { symbols: /^BR2_(?:GLOBAL_PATCH_DIR|PACKAGE_OVERRIDE_FILE)$/, remedy: "use buildroot.localMk" },
  { symbols: /^BR2_(?:TOOLCHAIN_BUILDROOT|TOOLCHAIN_EXTERNAL)$/, remedy: "use buildroot.toolchain" },
  { symbols: /^BR2_PACKAGE_BUSYBOX_CONFIG\w*$/, remedy: "remove it: hal sets the options of BusyBox that early boot needs" },
  {
    symbols: /^BR2_(?:DOWNLOAD_FORCE_CHECK_HASHES|REPRODUCIBLE|PER_PACKAGE_DIRECTORIES)$/,
    remedy: "remove it: every build of hal needs it",
  },
];

/** Symbols of hal that are defaults only. No promise of an image depends on them. */
const changeable =
  /^BR2_(?:PACKAGE_(?:SYSTEMD|LVM2|HOST_LINUX_HEADERS)_\w+|TOOLCHAIN_\w+|KERNEL_HEADERS_\w+|LINUX_KERNEL_NEEDS_\w+|TARGET_(?:ROOTFS_TAR|ROOTFS_EXT2_LABEL|GENERIC_ISSUE))$/;

/**
 * Refuses a symbol of a profile or feature that hal sets itself to another value, or that undoes a part of the image. A
 * symbol with the value of hal is accepted.
 * @param own the symbols of hal
 * @param asked the symbols of profile and features
 * @throws HalError "input" at the first such symbol
 */
export function refuseReserved(own: readonly SymbolRequest[], asked: readonly SymbolRequest[]): void {
  const values = new Map(own.map(({ symbol, value }) => [symbol, value]));
  for (const { symbol, value, at } of asked) {
    const rule = reserved.find(({ symbols }) => symbols.test(symbol));
    if (values.get(symbol) === value || (value === "n" && !values.has(symbol))) continue;
    if (rule === undefined && (!values.has(symbol) || changeable.test(symbol))) continue;
    throw new HalError("input", `${symbol} is a symbol that hal sets`, {
      at,
      remedy: rule?.remedy ?? "remove it: the image needs hal's value",
    });
  }
}
