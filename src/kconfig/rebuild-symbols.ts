/** What a changed Buildroot symbol makes stale. */
export type SymbolEffect = "nothing" | "images" | "package" | "everything";

/** By the beginning of the name; the first row that matches. What no row knows concerns everything. */
const EFFECTS: readonly (readonly [RegExp, SymbolEffect])[] = [
  // Where things are fetched from, how fast, and what Buildroot records about itself.
  [
    /^BR2_(?:JLEVEL|DL_DIR|DEFCONFIG|PRIMARY_SITE|BACKUP_SITE|.*_MIRROR$|CCACHE|WGET|CURL|GIT|SVN|BZR|CVS|HG|SCP|SFTP|LOCALFILES)/,
    "nothing",
  ],
  [/^BR2_(?:HAVE_DOT_CONFIG|VERSION|HOSTARCH|EXTERNAL_|LEGACY|DOWNLOAD_FORCE|PACKAGE_OVERRIDE_FILE|GLOBAL_PATCH_DIR|NEEDS_)/, "nothing"],
  [/^BR2_HOST_GCC_/, "nothing"],
  // Read at finalization and by the images only.
  [/^BR2_(?:ROOTFS_(?!MERGED_USR)|TARGET_ROOTFS_|TARGET_GENERIC_|SYSTEM_DHCP|SYSTEM_DEFAULT_PATH|TARGET_TZ|TARGET_LOCALTIME)/, "images"],
  [/^BR2_(?:ENABLE_LOCALE_PURGE|ENABLE_LOCALE_WHITELIST|GENERATE_LOCALE)/, "images"],
  // The kernel is a package like any other; only its version reaches further, through the headers.
  [/^BR2_PACKAGE_HOST_LINUX_HEADERS/, "everything"],
  [/^BR2_LINUX_KERNEL/, "package"],
  [/^BR2_PACKAGE_/, "package"],
  [/^BR2_TARGET_/, "package"],
];

export function symbolEffect(symbol: string): SymbolEffect {
  // BR2_TARGET_OPTIMIZATION and BR2_TARGET_LDFLAGS are compiler flags, not boot loaders.
  if (/^BR2_TARGET_(?:OPTIMIZATION|LDFLAGS)/.test(symbol)) return "everything";
  return EFFECTS.find(([pattern]) => pattern.test(symbol))?.[1] ?? "everything";
}

/**
 * The package that an option belongs to: the longest of the built packages' names that its symbol begins
 * with. Undefined for the options of packages that are not built.
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

/** Keys that only one map has, or that have another value in the other, sorted. */
export function changedKeys(old: ReadonlyMap<string, string>, now: ReadonlyMap<string, string>): readonly string[] {
  const keys = new Set([...old.keys(), ...now.keys()]);
  return [...keys].filter((key) => old.get(key) !== now.get(key)).sort();
}
