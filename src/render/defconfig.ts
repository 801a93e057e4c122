import { formatConfigLine } from "../kconfig/dotconfig.js";
import type { Resolved, SymbolRequest } from "../model/resolved.js";
import { externalSymbols } from "./static-files.js";

/** The name of a profile's defconfig, as `make` takes it. */
export function defconfigName(profile: string): string {
  return `hal_${profile.replaceAll("-", "_")}_defconfig`;
}

/** The menus of Buildroot's configuration, in their order (Config.in). */
const menus = [
  "Target options",
  "Toolchain",
  "Build options",
  "System configuration",
  "Kernel",
  "Target packages",
  "Filesystem images",
  "Bootloaders",
  "Host utilities",
  "External options",
] as const;
type Menu = (typeof menus)[number];

/** The menu of a symbol by the beginning of its name: the first match holds (test/render/defconfig.test.ts compares with Buildroot). */
const menuTable: readonly (readonly [RegExp, Menu])[] = [
  [/^BR2_([a-z]|ARC|ARM|BINFMT|GCC_TARGET|KERNEL_64|LOONGARCH|MIPS|POWERPC|RISCV|SOFT_FLOAT|SPARC|USE_MMU|X86|XTENSA)/, "Target options"],
  [/^BR2_(BINUTILS|DEFAULT_KERNEL|EXTRA_GCC|GCC|GDB|KERNEL_HEADERS|PTHREAD|TARGET_(LDFLAGS|OPTIMIZATION)|TOOLCHAIN|UCLIBC)/, "Toolchain"],
  [/^BR2_PACKAGE_(GLIBC|HOST_(BINUTILS|ELF2FLT|GDB|LINUX_HEADERS))/, "Toolchain"],
  [/^BR2_(ENABLE_LOCALE|GENERATE_LOCALE|INIT|ROOTFS|SYSTEM|TARGET_(ENABLE|GENERIC|LOCALTIME|TZ))/, "System configuration"],
  [/^BR2_PACKAGE_SYSTEMD_DEFAULT_TARGET$/, "System configuration"],
  [/^BR2_(LINUX_KERNEL|PACKAGE_LINUX_TOOLS)/, "Kernel"],
  [/^BR2_PACKAGE_OVERRIDE_FILE$/, "Build options"],
  [/^BR2_PACKAGE_HOST_/, "Host utilities"],
  [/^BR2_(PACKAGE|FMLIB|REFPOLICY)_/, "Target packages"],
  [/^BR2_TARGET_ROOTFS_/, "Filesystem images"],
  [/^BR2_TARGET_/, "Bootloaders"],
];

/**
 * The menu of Buildroot's configuration that has a symbol.
 * @param external symbols of the external tree
 */
export function menuOf(symbol: string, external: ReadonlySet<string>): Menu {
  if (external.has(symbol)) return "External options";
  return menuTable.find(([pattern]) => pattern.test(symbol))?.[1] ?? "Build options";
}

/** The text of the defconfig: a section for each menu, and above the lines who asks for them and why. */
export function defconfigText({ name, profile }: Resolved, symbols: readonly SymbolRequest[]): string {
  const external = externalSymbols();
  const requests = symbols.map((request) => ({ ...request, menu: menuOf(request.symbol, external) }));
  const sections = menus.flatMap((menu) => {
    const lines = requests.filter((request) => request.menu === menu);
    return lines.length === 0 ? [] : [`#\n# ${menu}\n#\n${commented(lines)}`];
  });
  return `# Profile ${name}, for Buildroot ${profile.buildroot.version}\n\n${sections.join("\n")}`;
}

/** Lines with the reason of each as the comment above it; neighbours of one reason share the comment. */
function commented(requests: readonly SymbolRequest[]): string {
  const reason = ({ by, why }: SymbolRequest): string => (why === undefined ? by : `${by}: ${why}`);
  return requests
    .map((request, index) => {
      const before = requests[index - 1];
      const shared = before !== undefined && reason(before) === reason(request);
      return `${shared ? "" : `# ${reason(request)}\n`}${formatConfigLine(request)}\n`;
    })
    .join("");
}
