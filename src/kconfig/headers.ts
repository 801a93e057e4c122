import type { SymbolRequest } from "../model/resolved.js";
import { plainValue } from "./dotconfig.js";
import type { Values } from "./evaluate.js";
import type { GateFinding } from "./finding.js";
import type { Kconfig } from "./model.js";

const SERIES = "BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_";

/** Requests that make the kernel's version one that Buildroot cannot know; the most telling first. */
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
 * A kernel of a custom version counts as a very old one until its headers series is named: glibc then
 * silently becomes uClibc, and systemd, bash, Python and Docker disappear. A series that differs from the
 * kernel's version fails only when the headers are built (support/scripts/check-kernel-headers.sh).
 */
export function headersTrap(requested: readonly SymbolRequest[], values: Values, kconfig: Kconfig): GateFinding | undefined {
  const known = [...kconfig.symbols.keys()].filter((name) => name.startsWith(SERIES));
  const chosen = known.find((name) => values.tristate(name) > 0);
  const cause = CUSTOM.map((name) => requested.find(({ symbol }) => symbol === name)).find((one) => one !== undefined);
  if (chosen === undefined || cause === undefined) return undefined;
  const version = versionOf(values);
  const right = seriesFor(version, known);
  const isAsked = requested.some(({ symbol, value }) => symbol === chosen && value === "y");
  if (isAsked && (version === undefined || chosen === right)) return undefined;
  const newest = right ?? "the series of this kernel";
  return {
    kind: "kernel-headers",
    symbol: chosen,
    wanted: version === undefined ? `${SERIES}x_y=y` : `${newest}=y`,
    actual: "y",
    at: cause.at,
    by: cause.by,
    message: isAsked
      ? `the kernel is ${version?.join(".")}, but its headers are declared as ${seriesName(chosen)}`
      : `the kernel has a custom version, but nothing names its headers series, so they count as ${seriesName(chosen)} and everything that needs newer ones is dropped`,
    because: [],
    remedy:
      version === undefined
        ? `ask for ${SERIES}x_y=y with the kernel's series x.y; the newest here is ${seriesFor([Number.MAX_SAFE_INTEGER, 0], known) ?? "none"}`
        : `ask for ${newest}=y`,
  };
}

/** The series that a kernel newer or older than all known ones must ask for, from a symbol such as …_CUSTOM_7_0. */
export function nearestSeries(symbol: string, kconfig: Kconfig): string | undefined {
  const match = /^(\d+)_(\d+)$/.exec(symbol.startsWith(SERIES) ? symbol.slice(SERIES.length) : "");
  return match === null ? undefined : seriesFor([Number(match[1]), Number(match[2])], [...kconfig.symbols.keys()]);
}

/** While the trap is open, a chain that ends at some old series must not send the user there. */
export function withoutOldSeries(fixes: readonly string[], trap: GateFinding | undefined): readonly string[] {
  if (trap === undefined) return fixes;
  return [...new Set(fixes.map((fix) => (fix.startsWith(SERIES) ? trap.wanted : fix)))];
}

/** Major and minor number, from whichever option tells the kernel's (or, without it, the headers') version. */
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

/** The newest series that is not newer than the version: Buildroot's "x.y or later" covers the rest. */
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
