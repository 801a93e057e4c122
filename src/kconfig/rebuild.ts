import { changedKeys, packageOfSymbol, symbolEffect } from "./rebuild-symbols.js";

/** A package that is part of a build, as `make show-info` lists it. */
export interface BuiltPackage {
  readonly type: "target" | "host";
  readonly version: string;
  readonly dependencies: readonly string[];
}

/** Everything that decides what a Buildroot output directory must contain. Digests are of contents. */
export interface BuildInputs {
  /** Version and commit of the Buildroot tree. */
  readonly buildroot: string;
  /** The resolved .config: symbol to value as written. */
  readonly config: ReadonlyMap<string, string>;
  readonly packages: ReadonlyMap<string, BuiltPackage>;
  /** Digest of a package's recipe, patches, hashes and overridden source, where hal or the user provides them. */
  readonly recipes: ReadonlyMap<string, string>;
  /** Digest of a package's Kconfig file and fragments: linux, busybox, uclibc. */
  readonly fragments: ReadonlyMap<string, string>;
  /** Digest of every file of the overlays, by its path in the image. */
  readonly overlay: ReadonlyMap<string, string>;
  readonly layout: string;
  /** Digest of the board scripts and tables: post-build, post-image, users, devices. */
  readonly scripts: string;
}

export interface RebuildStep {
  /** A target of Buildroot's make. */
  readonly target: string;
  readonly reason: string;
  /**
   * Empty TARGET_DIR first: with per-package directories Buildroot copies every package into it again at
   * finalization but never deletes, so a file that is no longer installed would stay in the image.
   */
  readonly emptyTarget?: true;
}

/** Packages that others depend on for their order only: what is built after them need not be built again. */
const ORDER_ONLY: ReadonlySet<string> = new Set(["busybox", "toolchain", "skeleton"]);

/** Packages that everything is compiled with or against. */
const TOOLCHAIN = /^(?:linux-headers|glibc|musl|uclibc|host-binutils|host-gcc-(?:initial|final)|toolchain-.+)$/;

/**
 * What must be made again so that an output directory built from `old` holds what `now` asks for; Buildroot
 * itself does not know (manual, "Understanding when a full rebuild is necessary").
 * @param old undefined when nothing has been built yet
 * @returns make targets in order; empty when nothing changed
 */
export function planRebuild(old: BuildInputs | undefined, now: BuildInputs): readonly RebuildStep[] {
  if (old === undefined) return [{ target: "all", reason: "nothing has been built yet" }];
  const clean = cleanReasons(old, now);
  if (clean.length > 0) {
    return [
      { target: "clean", reason: summarize(clean) },
      { target: "all", reason: "a clean build" },
    ];
  }
  const again = rebuiltPackages(old, now);
  const reconfigured = changedKeys(old.fragments, now.fragments).filter(
    (name) => now.packages.has(name) && !again.has(name) && old.packages.has(name),
  );
  const modules = reconfigured.includes("linux") ? dependentsOf("linux", now).filter((name) => !again.has(name)) : [];
  const added = [...now.packages.keys()].filter((name) => !old.packages.has(name)).sort();
  const steps: RebuildStep[] = [
    ...[...again].map(([name, reason]) => ({ target: `${name}-dirclean`, reason })),
    ...reconfigured.map((name) => ({ target: `${name}-reconfigure`, reason: `the configuration of ${name} changed` })),
    ...modules.map((name) => ({ target: `${name}-dirclean`, reason: "built against linux, which is configured anew" })),
    ...added.map((name) => ({ target: name, reason: `${name} is new` })),
  ];
  const images = imageReasons(old, now);
  if (steps.length === 0 && images.length === 0) return [];
  const stale = again.size + reconfigured.length > 0 || removedFiles(old, now).length > 0 || finalSymbols(old, now).length > 0;
  const reason = images.length > 0 ? `finalize and images: ${summarize(images)}` : "finalize and images";
  return [...steps, { target: "all", reason, ...(stale ? { emptyTarget: true as const } : {}) }];
}

/** Each one alone makes every package doubtful. */
function cleanReasons(old: BuildInputs, now: BuildInputs): readonly string[] {
  const symbols = changedSymbols(old, now);
  const isBuilt = (name: string): boolean => now.packages.has(name);
  const removed = [...old.packages].filter(([name, { type }]) => type === "target" && !isBuilt(name)).map(([name]) => `${name} is removed`);
  const perPackage = now.config.get("BR2_PER_PACKAGE_DIRECTORIES") === "y";
  const left = perPackage
    ? []
    : removedFiles(old, now).map((path) => `${path} left the overlay, and without per-package directories it stays`);
  return [
    ...(old.buildroot === now.buildroot ? [] : [`Buildroot changed from ${old.buildroot} to ${now.buildroot}`]),
    ...removed,
    ...symbols.filter((name) => symbolEffect(name) === "everything").map((name) => `${name} ${change(old, now, name)}`),
    ...left,
    ...toolchainChanges(old, now),
  ];
}

function toolchainChanges(old: BuildInputs, now: BuildInputs): readonly string[] {
  const versions = [...now.packages].filter(([name, { version }]) => (old.packages.get(name)?.version ?? version) !== version);
  const changed = [
    ...versions.map(([name]) => name),
    ...changedKeys(old.recipes, now.recipes),
    ...changedKeys(old.fragments, now.fragments),
  ];
  return [...new Set(changed)].filter((name) => TOOLCHAIN.test(name)).map((name) => `${name} changed, which the toolchain is made of`);
}

/** Packages to build from scratch, with the reason: their own change first, then what was built against them. */
function rebuiltPackages(old: BuildInputs, now: BuildInputs): ReadonlyMap<string, string> {
  const again = new Map<string, string>();
  const options = new Map<string, string>();
  const names = [...now.packages.keys()];
  for (const symbol of changedSymbols(old, now)) {
    const owner = symbolEffect(symbol) === "package" ? packageOfSymbol(symbol, names) : undefined;
    if (owner !== undefined && !options.has(owner)) options.set(owner, `${symbol} ${change(old, now, symbol)}`);
  }
  const recipes = new Set(changedKeys(old.recipes, now.recipes));
  for (const [name, { version, dependencies }] of [...now.packages].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const before = old.packages.get(name);
    if (before === undefined) continue;
    if (before.version !== version) again.set(name, `${name} changed from ${before.version} to ${version}`);
    else if (recipes.has(name)) again.set(name, `the source or recipe of ${name} changed`);
    else if (options.has(name)) again.set(name, options.get(name) ?? "");
    else if ([...dependencies].sort().join() !== [...before.dependencies].sort().join()) {
      again.set(name, `${name} is built with ${dependencyChange(before.dependencies, dependencies)}`);
    }
  }
  for (const [name] of again) {
    if (ORDER_ONLY.has(name)) continue;
    // A Map visits what is added while it is walked: this follows the dependents of dependents.
    for (const dependent of dependentsOf(name, now)) {
      if (!again.has(dependent) && old.packages.has(dependent)) again.set(dependent, `built against ${name}`);
    }
  }
  return again;
}

function dependentsOf(name: string, { packages }: BuildInputs): readonly string[] {
  return [...packages]
    .filter(([, { dependencies }]) => dependencies.includes(name))
    .map(([dependent]) => dependent)
    .sort();
}

function dependencyChange(before: readonly string[], after: readonly string[]): string {
  const gained = after.filter((name) => !before.includes(name));
  const lost = before.filter((name) => !after.includes(name));
  return [...gained.map((name) => `${name}, which is new to it`), ...lost.map((name) => `no ${name} any more`)].join(" and ");
}

/** What only the last steps of every build look at. */
function imageReasons(old: BuildInputs, now: BuildInputs): readonly string[] {
  const files = changedKeys(old.overlay, now.overlay);
  return [
    ...(files.length === 0 ? [] : [`the overlay changed (${summarize(files)})`]),
    ...(old.layout === now.layout ? [] : ["the layout changed"]),
    ...(old.scripts === now.scripts ? [] : ["the board scripts changed"]),
    ...finalSymbols(old, now).map((name) => `${name} ${change(old, now, name)}`),
  ];
}

function finalSymbols(old: BuildInputs, now: BuildInputs): readonly string[] {
  return changedSymbols(old, now).filter((name) => symbolEffect(name) === "images");
}

function removedFiles(old: BuildInputs, now: BuildInputs): readonly string[] {
  return [...old.overlay.keys()].filter((path) => !now.overlay.has(path)).sort();
}

/** A symbol without a line and one that is n are the same. */
function changedSymbols(old: BuildInputs, now: BuildInputs): readonly string[] {
  const value = (inputs: BuildInputs, name: string): string => inputs.config.get(name) ?? "n";
  return changedKeys(old.config, now.config).filter((name) => value(old, name) !== value(now, name));
}

function change(old: BuildInputs, now: BuildInputs, symbol: string): string {
  return `changed from ${old.config.get(symbol) ?? "n"} to ${now.config.get(symbol) ?? "n"}`;
}

function summarize(reasons: readonly string[]): string {
  const more = reasons.length - 3;
  return more > 0 ? `${reasons.slice(0, 3).join("; ")}; and ${more} more` : reasons.join("; ");
}
