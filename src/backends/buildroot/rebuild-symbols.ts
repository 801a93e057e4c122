/** The part of a build that must be rebuilt when a Buildroot symbol changes. */
export type SymbolEffect = "nothing" | "images" | "configuration" | "package" | "everything";

/** The effect of a symbol by the start of its name; the first match counts. A symbol without a row affects everything. */
const EFFECTS: readonly (readonly [RegExp, SymbolEffect])[] = [
  // Download locations, parallelism, and facts that Buildroot records about itself.
  [
    /^BR2_(?:JLEVEL|DL_DIR|DEFCONFIG|PRIMARY_SITE|BACKUP_SITE|.*_MIRROR$|CCACHE|WGET|CURL|GIT|SVN|BZR|CVS|HG|SCP|SFTP|LOCALFILES)/,
    "nothing",
  ],
  [/^BR2_(?:HAVE_DOT_CONFIG|VERSION|HOSTARCH|EXTERNAL_|LEGACY|DOWNLOAD_FORCE|PACKAGE_OVERRIDE_FILE|GLOBAL_PATCH_DIR|NEEDS_)/, "nothing"],
  [/^BR2_HOST_GCC_/, "nothing"],
  // Read at finalization, by the images, and by packages whose make file names them.
  [/^BR2_ROOTFS_(?:SKELETON|MERGED|DEVICE_CREATION)/, "everything"],
  [/^BR2_(?:ROOTFS_|TARGET_ROOTFS_|TARGET_GENERIC_|TARGET_ENABLE_ROOT_LOGIN|TARGET_TZ|TARGET_LOCALTIME)/, "images"],
  [/^BR2_(?:SYSTEM_DHCP|SYSTEM_DEFAULT_PATH|SYSTEM_BIN_SH|ENABLE_LOCALE_)/, "images"],
  // Compiler flags, not boot loaders.
  [/^BR2_TARGET_(?:OPTIMIZATION|LDFLAGS)/, "everything"],
  [/^BR2_PACKAGE_HOST_LINUX_HEADERS/, "everything"],
  [/^BR2_(?:LINUX_KERNEL|PACKAGE_.*)_(?:CONFIG_FRAGMENT_FILES|CUSTOM_CONFIG_FILE)$|^BR2_PACKAGE_BUSYBOX_CONFIG$/, "configuration"],
  [/^BR2_(?:LINUX_KERNEL|PACKAGE_|TARGET_)/, "package"],
];

export function symbolEffect(symbol: string): SymbolEffect {
  return EFFECTS.find(([pattern]) => pattern.test(symbol))?.[1] ?? "everything";
}

/**
 * The package that an option belongs to: of the built packages whose name starts the symbol, the one with the longest
 * name. Undefined for an option of a package that is not built.
 */
export function packageOfSymbol(symbol: string, packages: readonly string[]): string | undefined {
  if (symbol.startsWith("BR2_LINUX_KERNEL")) return packages.includes("linux") ? "linux" : undefined;
  const rest = symbol.replace(/^BR2_(?:PACKAGE|TARGET)_/, "");
  const owners = packages.filter((name) => {
    const start = name.toUpperCase().replaceAll("-", "_").replaceAll(".", "_");
    return rest === start || rest.startsWith(`${start}_`);
  });
  return owners.reduce<string | undefined>((best, name) => (best === undefined || name.length > best.length ? name : best), undefined);
}

/** Keys that only one of the maps contains, or whose values differ, sorted. */
export function changedKeys(old: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): readonly string[] {
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].filter((key) => old.get(key) !== now.get(key)).sort();
}
