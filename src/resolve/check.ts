import { MAX_CMDLINE_BYTES } from "../codecs/cmdline.js";
import { HalError, type Location } from "../lib/errors.js";
import { nearest } from "../lib/nearest.js";
import { parseSize } from "../lib/size.js";
import { listDocuments } from "../load/catalog.js";
import { nearestOrigin } from "../load/tree.js";
import { judgeParameter } from "../model/judge-cmdline.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";

type Check = (resolved: Resolved, at: (pointer: string) => Location) => void;

const fail = (message: string, at: Location, remedy?: string): never => {
  throw new HalError("input", message, { at, ...(remedy === undefined ? {} : { remedy }) });
};

const MiB = 2 ** 20;
/** An XFS needs 300 MiB (mkfs.xfs since xfsprogs 5.19). dm-integrity takes a few more. */
const MIN_RW_BYTES = 320 * MiB;
const MIN_ROOT_BYTES = 8 * MiB;
const MIN_SWAP_BYTES = 1 * MiB;
/** Far larger than any image. ext4 with 4 KiB blocks supports this size without its 64bit feature. */
const MAX_PARTITION_BYTES = 8 * 2 ** 40;

function checkFeatures({ features, profile }: Resolved, at: (pointer: string) => Location): void {
  const names = features.map((feature) => feature.name);
  for (const feature of features) {
    const where = at(`/features/${Math.max(0, profile.features.indexOf(feature.name))}`);
    for (const required of feature.requires.features) {
      if (!names.includes(required)) fail(`feature '${feature.name}' needs feature '${required}'`, where, `add '${required}' to features`);
    }
    if (feature.requires.init !== undefined && feature.requires.init !== profile.init) {
      fail(`feature '${feature.name}' needs init: ${feature.requires.init}, and the profile has init: ${profile.init}`, where);
    }
  }
  for (const [index, name] of profile.backends.debian.omit.entries()) {
    // A parent can omit a feature that this profile removes, so the name of any known feature is accepted.
    const where = at(`/backends/debian/omit/${index}`);
    if (names.includes(name) || listDocuments("feature", where.file).some((known) => known.name === name)) continue;
    const guess = nearest(name, names);
    fail(
      `backends.debian.omit contains '${name}', and no feature has this name`,
      where,
      guess === undefined ? undefined : `did you mean '${guess}'?`,
    );
  }
}

function checkPlatform({ profile, layout, platform: name }: Resolved, at: (pointer: string) => Location): void {
  if (platforms[name].starts !== "enclave") return;
  if (layout.root.type !== "ram")
    fail(`platform ${name} has no disk, and layout '${layout.name}' needs one`, at("/layout"), "set layout: ram");
  if (profile.boot === "uki") fail(`platform ${name} boots an enclave image, not a unified kernel image`, at("/boot"), "set boot: direct");
}

/** Refuses systemd units in an image with BusyBox's init, because BusyBox ignores them without a message. */
function checkServices({ profile, rootParts, disable }: Resolved, at: (pointer: string) => Location): void {
  if (profile.init === "systemd") return;
  const units = rootParts.flatMap((part) => part.units);
  const enable = rootParts.flatMap((part) => part.enable);
  const [unit] = units;
  if (unit !== undefined) fail(`${unit.name} is a systemd unit, and init is ${profile.init}`, unit.at, "set init: systemd");
  for (const [key, [name]] of Object.entries({ enable, disable }))
    if (name !== undefined)
      fail(`services.${key} contains the systemd unit ${name}, and init is ${profile.init}`, at(`/services/${key}`), "set init: systemd");
}

const ROOTHASH_BYTES = " roothash=".length + 64;

function checkKernelParameters({ profile, layout, cmdline, platform }: Resolved, at: (pointer: string) => Location): void {
  const verity = layout.root.type === "verity";
  const words = [
    ...profile.kernel.cmdline.map((word, index) => ({ word, where: at(`/kernel/cmdline/${index}`) })),
    ...layout.cmdline.map((word) => ({ word, where: at("/layout") })),
  ];
  for (const { word, where } of words) {
    const finding = judgeParameter(word, { verity, platform, debug: profile.debug });
    if (finding?.verdict === "undoes") fail(`kernel parameter ${word} ${finding.why}`, where, finding.remedy);
  }
  const bytes = cmdline.join(" ").length + (verity ? ROOTHASH_BYTES : 0);
  if (bytes > MAX_CMDLINE_BYTES)
    fail(
      `the kernel command line has ${bytes} bytes, and Linux reads only ${MAX_CMDLINE_BYTES}`,
      at("/kernel/cmdline"),
      "remove parameters",
    );
}

/** Kernel options that add parameters to the command line, which nobody would see there (Linux arch/x86/Kconfig, init/Kconfig). */
const CMDLINE_OPTIONS = ["CMDLINE", "CMDLINE_BOOL", "CMDLINE_OVERRIDE", "BOOT_CONFIG_EMBED", "BOOT_CONFIG_FORCE"];

function checkKernelOptions({ kernelFragments }: Resolved): void {
  for (const { symbol, value, at } of kernelFragments.flatMap(({ requests }) => requests))
    if (CMDLINE_OPTIONS.includes(symbol.replace(/^CONFIG_/, "")) && !["n", '""'].includes(value))
      fail(`${symbol} adds kernel parameters that are not on the command line`, at, "use kernel.cmdline");
}

function checkLayout({ layout }: Resolved, at: (pointer: string) => Location): void {
  const checkSize = (what: string, size: string, least: number, pointer: string): void => {
    const bytes = parseSize(size);
    if (bytes < least) fail(`the ${what} is too small: ${size}`, at(pointer), `use at least ${least / MiB}M`);
    if (bytes > MAX_PARTITION_BYTES) fail(`the ${what} is too large: ${size}`, at(pointer), "use at most 8T");
    if (bytes % 4096 !== 0) fail(`the size of the ${what}, ${size}, is not a multiple of 4096 bytes`, at(pointer));
  };
  if (layout.root.type === "verity") checkSize("root partition", layout.root.size, MIN_ROOT_BYTES, "/layoutOptions/rootSize");
  if (layout.rw !== undefined) checkSize("read-write partition", layout.rw.size, MIN_RW_BYTES, "/layoutOptions/rwSize");
  if (layout.swap !== undefined) checkSize("swap partition", layout.swap.size, MIN_SWAP_BYTES, "/layoutOptions/swapSize");
  if (layout.root.type === "ram" && (layout.rw !== undefined || layout.swap !== undefined))
    fail(`layout '${layout.name}' keeps the root in RAM and cannot have partitions`, at("/layout"));
  const mounts = [
    ...layout.tmpfs.map((area) => area.path),
    ...(layout.rw?.binds ?? []),
    ...(layout.rw === undefined ? [] : [layout.rw.mount]),
  ];
  for (const [index, path] of mounts.entries()) {
    if (mounts.indexOf(path) !== index) fail(`layout '${layout.name}' mounts ${path} twice`, at("/layout"));
    if (["/", "/etc"].includes(path) || /^\/(usr|bin|sbin|lib|lib64|dev|proc|sys|boot)(\/|$)/.test(path)) {
      fail(`layout '${layout.name}' mounts over ${path}, and the files there must stay verified`, at("/layout"));
    }
  }
}

function checkDuplicates({ rootParts, profile }: Resolved, at: (pointer: string) => Location): void {
  const files = rootParts.flatMap((part) => part.files);
  const users = rootParts.flatMap((part) => part.users);
  const units = rootParts.flatMap((part) => part.units);
  const refuseDuplicates = <T>(
    items: readonly T[],
    key: (item: T) => string | number,
    what: string,
    where: (index: number) => Location,
  ): void => {
    const seen = new Set<string | number>();
    for (const [index, item] of items.entries()) {
      if (seen.has(key(item))) fail(`${what} ${key(item)} occurs twice`, where(index));
      seen.add(key(item));
    }
  };
  refuseDuplicates(
    files,
    (file) => file.path,
    "file",
    (index) => files[index]?.at ?? at("/files"),
  );
  refuseDuplicates(
    units,
    (unit) => unit.name,
    "unit",
    (index) => units[index]?.at ?? at("/services/units"),
  );
  refuseDuplicates(
    users,
    (user) => user.name,
    "user",
    () => at("/users"),
  );
  refuseDuplicates(
    users,
    (user) => user.uid,
    "user id",
    () => at("/users"),
  );
  refuseDuplicates(
    profile.launch.forwards,
    (forward) => forward.host,
    "launch.forwards: host port",
    (index) => at(`/launch/forwards/${index}`),
  );
  refuseDuplicates(
    profile.launch.shares,
    (share) => share.tag,
    "launch.shares: tag",
    (index) => at(`/launch/shares/${index}`),
  );
}

const checks: readonly Check[] = [
  checkPlatform,
  checkFeatures,
  checkServices,
  checkKernelParameters,
  checkKernelOptions,
  checkLayout,
  checkDuplicates,
];

/**
 * Checks that the parts of a profile fit together, which a schema cannot express.
 * @throws HalError "input" for the first contradiction, with its location
 */
export function checkSemantics(resolved: Resolved): void {
  const at = (pointer: string): Location => nearestOrigin(resolved.origins, pointer);
  for (const check of checks) check(resolved, at);
}
