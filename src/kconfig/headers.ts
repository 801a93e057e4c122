import type { SymbolRequest } from "../model/resolved.js";
import { plainValue } from "./dotconfig.js";
import type { Values } from "./evaluate.js";
import type { GateFinding } from "./finding.js";
import type { Kconfig } from "./model.js";

const SERIES = "BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_";

/** Requests for a kernel whose version Buildroot does not know; the most specific first. */
const CUSTOM = [
  "BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE",
  "BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION",
  "BR2_LINUX_KERNEL_CUSTOM_REPO_VERSION",
  "BR2_LINUX_KERNEL_CUSTOM_VERSION",
  "BR2_LINUX_KERNEL_CUSTOM_TARBALL",
  "BR2_LINUX_KERNEL_CUSTOM_GIT",
  "BR2_DEFAULT_KERNEL_VERSION",
  "BR2_KERNEL_HEADERS_VERSION",
  "BR2_KERNEL_HEADERS_CUSTOM_TARBALL",
  "BR2_KERNEL_HEADERS_CUSTOM_GIT",
];

/**
 * The finding about a missing or wrong headers series of a custom kernel. Without a series, Buildroot assumes a very old kernel: glibc
 * silently becomes uClibc, and systemd, bash, Python and Docker are dropped. A series that differs from the kernel's version fails only
 * when the headers are built (support/scripts/check-kernel-headers.sh).
 */
export function headersFinding(requested: readonly SymbolRequest[], values: Values, kconfig: Kconfig): GateFinding | undefined {
  const known = [...kconfig.symbols.keys()].filter((name) => name.startsWith(SERIES));
  const selected = known.find((name) => values.tristate(name) > 0);
  const cause = CUSTOM.map((name) => requested.find(({ symbol }) => symbol === name)).find((one) => one !== undefined);
  if (selected === undefined || cause === undefined) return undefined;
  const version = versionOf(values);
  const right = seriesFor(version, known);
  const isRequested = requested.some(({ symbol, value }) => symbol === selected && value === "y");
  if (isRequested && (version === undefined || selected === right)) return undefined;
  const newest = right ?? "the series of this kernel";
  return {
    kind: "kernel-headers",
    symbol: selected,
    wanted: version === undefined ? `${SERIES}x_y=y` : `${newest}=y`,
    actual: "y",
    at: cause.at,
    by: cause.by,
    message: isRequested
      ? `the kernel is ${version?.join(".")}, but its headers series is set to ${seriesName(selected)}`
      : `the kernel has a custom version, but no line sets its headers series; Buildroot assumes ${seriesName(selected)} and drops every package that needs newer headers`,
    because: [],
    remedy:
      version === undefined
        ? `add ${SERIES}x_y=y for the kernel's series x.y; the newest in this tree is ${seriesFor([Number.MAX_SAFE_INTEGER, 0], known) ?? "none"}`
        : `add ${newest}=y`,
  };
}

/** The known series to use instead of an unknown one, such as …_CUSTOM_7_0. */
export function nearestSeries(symbol: string, kconfig: Kconfig): string | undefined {
  const match = /^(\d+)_(\d+)$/.exec(symbol.startsWith(SERIES) ? symbol.slice(SERIES.length) : "");
  return match === null ? undefined : seriesFor([Number(match[1]), Number(match[2])], [...kconfig.symbols.keys()]);
}

/** The fixes with the right series instead of any other: an explanation can end at an old one. */
export function withoutOldSeries(fixes: readonly string[], headers: GateFinding | undefined): readonly string[] {
  if (headers === undefined) return fixes;
  return [...new Set(fixes.map((fix) => (fix.startsWith(SERIES) ? headers.wanted : fix)))];
}

/** Major and minor number of the kernel, from the symbols of the kernel's or the headers' version. */
function versionOf(values: Values): readonly [number, number] | undefined {
  const asKernel = values.tristate("BR2_KERNEL_HEADERS_AS_KERNEL") > 0;
  const names = asKernel
    ? ["BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE", "BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION", "BR2_LINUX_KERNEL_CUSTOM_REPO_VERSION"]
    : ["BR2_DEFAULT_KERNEL_VERSION", "BR2_KERNEL_HEADERS_CUSTOM_TARBALL_LOCATION", "BR2_KERNEL_HEADERS_CUSTOM_REPO_VERSION"];
  for (const name of names) {
    const match = /(?:^|linux[-_]|^v)(\d+)\.(\d+)(?:[.\-_]|$)/.exec(plainValue(values.written(name) ?? ""));
    if (match !== null) return [Number(match[1]), Number(match[2])];
  }
  return undefined;
}

/** The newest series that is not newer than the version. Buildroot's newest series means "x.y or later". */
function seriesFor(version: readonly [number, number] | undefined, known: readonly string[]): string | undefined {
  if (version === undefined) return undefined;
  const order = ([major, minor]: readonly [number, number]): number => major * 1000 + Math.min(minor, 999);
  let best: { readonly name: string; readonly at: number } | undefined;
  for (const name of known) {
    const match = /^(\d+)_(\d+)$/.exec(name.startsWith(SERIES) ? name.slice(SERIES.length) : "");
    if (match === null) continue;
    const at = order([Number(match[1]), Number(match[2])]);
    if (at <= order(version) && (best === undefined || at > best.at)) best = { name, at };
  }
  return best?.name;
}

function seriesName(symbol: string): string {
  return symbol
    .slice(SERIES.length)
    .toLowerCase()
    .replaceAll("_", symbol.endsWith("REALLY_OLD") ? " " : ".");
}
