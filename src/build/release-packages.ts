import type { BuildOptions, BuiltPackage } from "../backends/backend.js";
import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved, SymbolRequest } from "../model/resolved.js";
import type { ReleaseCandidate, Unreleasable } from "./release-rule.js";

/** Debian's and Buildroot's packages with which somebody logs in over the network. Other names, such as `ssh`, lead to these. */
const remoteLogins =
  /^(?:openssh-server|dropbear\b.*|tinysshd?|lsh-server|mosh|eternal-?terminal|.*telnetd\b.*|rsh-(?:redone-)?server|rlogin.*|shellinabox|ttyd|wetty|cockpit(?:-ws)?|xrdp|.*vnc.*server.*|ser2net)$/;

/** The packages of Buildroot by symbol, in the form of `remoteLogins`: openssh also contains the client. */
const remoteSymbols =
  /^BR2_PACKAGE_(?:OPENSSH(?:_SERVER)?|DROPBEAR|TINYSSH|MOSH|NETKITTELNET|INETUTILS|RSH_REDONE(?:_RSHD|_RLOGIND)?|SHELLINABOX|TTYD|XRDP|\w*VNC\w*|SER2NET)$/;

/** Units of such programs, by name: the program can come from an overlay. */
const remoteUnits = /^(?:ssh|sshd|dropbear|tinysshd|telnetd?|in\.telnetd|rlogin|rsh|cockpit|ttyd)\b.*\.(?:service|socket)$/;

const why = "an image with a remote login cannot be released: it lets its operator in";

/** The name in a profile leads to other packages. So refuseRemotePackages judges the solved set as well. */
export function addsRemoteLogin({ resolved, options, contents }: ReleaseCandidate): Unreleasable | undefined {
  if (resolved.profile.ssh) return { why, at: "/ssh", remedy: "set ssh: false" };
  const unit = [...contents.enable, ...contents.units.map(({ name }) => name)].find((name) => remoteUnits.test(name));
  if (unit !== undefined) return { why, at: "/services", remedy: `remove ${unit}` };
  if (options.backend === "debian") {
    const name = resolved.debianPackages.find((entry) => remoteLogins.test(entry));
    return name === undefined ? undefined : { why, at: "/debian/packages", remedy: `remove ${name}` };
  }
  const request = resolved.buildrootRequests.find(
    ({ symbol, value }) => remoteSymbols.test(symbol) && value === "y" && !(symbol === "BR2_PACKAGE_OPENSSH" && isClientOnly(resolved)),
  );
  return request && { why, at: request.at, remedy: `remove ${request.symbol}` };
}

/** The server is a part of Buildroot's openssh by default (package/openssh/Config.in). */
function isClientOnly({ buildrootRequests }: Resolved): boolean {
  return buildrootRequests.some(({ symbol, value }) => symbol === "BR2_PACKAGE_OPENSSH_SERVER" && value === "n");
}

/**
 * With `--release`, refuses the packages of an image: those that apt or Buildroot chose for the names of the profile.
 * @throws HalError "check" for a package with a remote login
 */
export function refuseRemotePackages(resolved: Resolved, { release, backend }: BuildOptions, packages: readonly BuiltPackage[]): void {
  if (!release) return;
  const found = packages.find(
    ({ name }) => remoteLogins.test(name) || (backend === "buildroot" && name === "openssh" && !isClientOnly(resolved)),
  );
  if (found === undefined) return;
  throw new HalError("check", why, {
    at: nearestOrigin(resolved.origins, backend === "debian" ? "/debian/packages" : "/buildroot/config"),
    remedy: `remove the name that leads to the package ${found.name}`,
  });
}

/** Buildroot's symbols that choose packages, processor and compiler. A release knows no others. */
const packageSymbols =
  /^BR2_(?:x86_\w+|PACKAGE_\w+|ENABLE_LOCALE\w*|GENERATE_LOCALE|OPTIMIZE_\w+|TOOLCHAIN_\w+|GCC_\w+|KERNEL_HEADERS_\w+|LINUX_KERNEL_NEEDS_\w+|SYSTEM_\w+|TARGET_(?:TZ_INFO|LOCALTIME|GENERIC_ISSUE|ROOTFS_TAR|ROOTFS_EXT2_LABEL))$/;

/** Symbols that protect every program, each with the values that do. */
const protections = /^BR2_(?:SSP_(?:STRONG|ALL)|PIC_PIE|RELRO_FULL|FORTIFY_SOURCE_[123])$/;

function isKnown({ symbol, value }: SymbolRequest): boolean {
  if (protections.test(symbol)) return value === "y";
  // A text with a slash is a file or an address, and no digest fixes what it contains.
  return packageSymbols.test(symbol) && !(value.startsWith('"') && value.includes("/"));
}

export function setsUnknownSymbol({ resolved, options: { backend } }: ReleaseCandidate): Unreleasable | undefined {
  if (backend !== "buildroot") return undefined;
  const request = resolved.buildrootRequests.find((asked) => !isKnown(asked));
  return (
    request && { why: `${request.symbol}=${request.value} is not among the settings of a release`, at: request.at, remedy: "remove it" }
  );
}
