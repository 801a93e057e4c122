import { changedKeys, packageOfSymbol, type SymbolEffect, symbolEffect } from "./rebuild-symbols.js";

/** A package of a build, as `make show-info` lists it. */
export interface ListedPackage {
  readonly type: "target" | "host";
  readonly version: string;
  readonly dependencies: readonly string[];
  /** The build directory, relative to Buildroot's `O=`. */
  readonly directory: string;
}

/** Everything that decides the contents of Buildroot's output directory. Digests are of contents. */
export interface RebuildState {
  /** Version and commit of the Buildroot tree. */
  readonly buildroot: string;
  /** Buildroot's `O=` as make sees it, because built files contain this path. */
  readonly buildrootOutput: string;
  /** The resolved .config: symbols, and their values as written. */
  readonly config: ReadonlyMap<string, string>;
  readonly packages: ReadonlyMap<string, ListedPackage>;
  /** Digest of each package's recipe, patches, hashes and overridden source, as far as hal or the user provides them. */
  readonly recipes: ReadonlyMap<string, string>;
  /** The symbols that each package's make file reads. */
  readonly reads: ReadonlyMap<string, readonly string[]>;
  /** Digest of the Kconfig fragments of a package: linux, busybox. */
  readonly fragments: ReadonlyMap<string, string>;
  /** Digest of every overlay file, by its path in the image. */
  readonly overlay: ReadonlyMap<string, string>;
  readonly layout: string;
  /** Digest of the board scripts and tables: post-build, post-image, users, devices. */
  readonly scripts: string;
}

export interface RebuildStep {
  /** A target of Buildroot's make. */
  readonly target: string;
  readonly reason: string;
  /** The directory of a package that left the configuration: its recipe, and so its make target, may no longer exist. */
  readonly removes?: string;
  /**
   * Empty TARGET_DIR first. With per-package directories Buildroot copies every package into it at finalization but
   * deletes nothing. So a file that a package no longer installs, or that an earlier overlay or script wrote, would
   * stay in the image.
   */
  readonly emptyTarget?: true;
}

/** Packages that all others are compiled with or against, or whose files are the start of every package's target tree. */
const FOUNDATION = /^(?:linux-headers|glibc|musl|uclibc|host-binutils|host-gcc-(?:initial|final)|toolchain(?:-.+)?|skeleton(?:-.+)?)$/;

/**
 * The make targets to rebuild so that an output directory built from `old` contains what `now` requests. Buildroot
 * itself does not track this (manual, "Understanding when a full rebuild is necessary").
 * @param old undefined when nothing has been built yet
 * @returns make targets in order; empty when nothing changed
 */
export function planRebuild(old: RebuildState | undefined, now: RebuildState): readonly RebuildStep[] {
  if (old === undefined) return [{ target: "all", reason: "nothing has been built yet" }];
  const configured = reconfiguredPackages(old, now);
  const again = rebuiltPackages(old, now, [...configured.keys()]);
  const reconfigured = [...configured].filter(([name]) => !again.has(name));
  const removed = [...old.packages].filter(([name]) => !now.packages.has(name));
  const clean = [...cleanReasons(old, now), ...foundationChanges(old, now), ...staleFiles(old, now, again)];
  if (clean.length > 0) {
    return [
      { target: "clean", reason: summarize(clean) },
      { target: "all", reason: "a clean build" },
    ];
  }
  const added = [...now.packages.keys()].filter((name) => !old.packages.has(name)).sort();
  const steps: RebuildStep[] = [
    ...removed.map(([name, { directory }]) => ({ target: `${name}-dirclean`, reason: `${name} is removed`, removes: directory })),
    ...[...again].map(([name, reason]) => ({ target: `${name}-dirclean`, reason })),
    ...reconfigured.map(([name, reason]) => ({ target: `${name}-reconfigure`, reason })),
    ...added.map((name) => ({ target: name, reason: `${name} is new` })),
  ];
  const images = imageReasons(old, now);
  if (steps.length === 0 && images.length === 0) return [];
  const reason = images.length > 0 ? `finalize and images: ${summarize(images)}` : "finalize and images";
  return [...steps, { target: "all", reason, ...(perPackage(now) ? { emptyTarget: true as const } : {}) }];
}

function perPackage({ config }: RebuildState): boolean {
  return config.get("BR2_PER_PACKAGE_DIRECTORIES") === "y";
}

/** Changes that may affect every package. */
function cleanReasons(old: RebuildState, now: RebuildState): readonly string[] {
  return [
    ...(old.buildroot === now.buildroot ? [] : [`Buildroot changed from ${old.buildroot} to ${now.buildroot}`]),
    ...(old.buildrootOutput === now.buildrootOutput
      ? []
      : [`the build directory was ${old.buildrootOutput}, and built files contain that path`]),
    ...symbolsWith("everything", old, now).map((name) => `${name} ${change(old, now, name)}`),
  ];
}

function foundationChanges(old: RebuildState, now: RebuildState): readonly string[] {
  const versions = [...now.packages].filter(([name, { version }]) => (old.packages.get(name)?.version ?? version) !== version);
  const changed = [
    ...versions.map(([name]) => name),
    ...changedKeys(old.recipes, now.recipes),
    ...changedKeys(old.fragments, now.fragments),
  ];
  return [...new Set(changed)].filter((name) => FOUNDATION.test(name)).map((name) => `${name} changed, and every package is built on it`);
}

/** Without per-package directories, a file stays in TARGET_DIR until a clean build. */
function staleFiles(old: RebuildState, now: RebuildState, again: ReadonlyMap<string, string>): readonly string[] {
  if (perPackage(now)) return [];
  const stays = "and without per-package directories old files stay in the image";
  const removed = [...old.packages].filter(([name, { type }]) => type === "target" && !now.packages.has(name));
  return [
    ...removed.map(([name]) => `${name} is removed, ${stays}`),
    ...removedFiles(old, now).map((path) => `${path} is no longer in the overlay, ${stays}`),
    ...[...again.values()].map((why) => `${why}, ${stays}`),
  ];
}

/** Kbuild compiles only what a configuration change affects, and installs all modules again. */
const INCREMENTAL = "linux";

/** Packages whose Kconfig file or fragments changed. */
function withNewConfiguration(old: RebuildState, now: RebuildState): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of changedKeys(old.fragments, now.fragments)) found.set(name, `the configuration of ${name} changed`);
  for (const symbol of symbolsWith("configuration", old, now)) {
    const owner = packageOfSymbol(symbol, [...now.packages.keys()]);
    if (owner !== undefined && !found.has(owner)) found.set(owner, `${symbol} ${change(old, now, symbol)}`);
  }
  return new Map([...found].filter(([name]) => old.packages.has(name) && now.packages.has(name)));
}

/**
 * Packages that are only configured again. All others are built from scratch. Otherwise, files that they no longer
 * install would stay, such as BusyBox's applets.
 */
function reconfiguredPackages(old: RebuildState, now: RebuildState): ReadonlyMap<string, string> {
  return new Map([...withNewConfiguration(old, now)].filter(([name]) => name === INCREMENTAL));
}

/**
 * Packages to build from scratch, with the reason: changed packages first, then all that depend on one. A dependency
 * that only sets the order counts too: each package's target tree starts as a copy of its dependencies' trees. At
 * finalization, Buildroot keeps the copy in the package whose name sorts last.
 */
function rebuiltPackages(old: RebuildState, now: RebuildState, reconfigured: readonly string[]): ReadonlyMap<string, string> {
  const again = new Map<string, string>();
  const configured = [...withNewConfiguration(old, now)].filter(([name]) => name !== INCREMENTAL);
  const options = new Map([...configured, ...changedOptions(old, now)]);
  const recipes = new Set(changedKeys(old.recipes, now.recipes));
  for (const [name, { version, dependencies }] of [...now.packages].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const before = old.packages.get(name);
    if (before === undefined) continue;
    const option = options.get(name);
    if (before.version !== version) again.set(name, `${name} changed from ${before.version} to ${version}`);
    else if (recipes.has(name)) again.set(name, `the source or recipe of ${name} changed`);
    else if (option !== undefined) again.set(name, option);
    else if ([...dependencies].sort().join() !== [...before.dependencies].sort().join()) {
      again.set(name, `${name} is built with ${dependencyChange(before.dependencies, dependencies)}`);
    }
  }
  const changed = [...again.keys(), ...reconfigured];
  for (let name = changed.shift(); name !== undefined; name = changed.shift()) {
    for (const [dependent, { dependencies }] of now.packages) {
      if (!dependencies.includes(name) || again.has(dependent) || !old.packages.has(dependent)) continue;
      again.set(dependent, `${dependent} was built on top of ${name}`);
      changed.push(dependent);
    }
  }
  return again;
}

/** The packages that changed options belong to, and those whose make files read one. */
function changedOptions(old: RebuildState, now: RebuildState): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  const names = [...now.packages.keys()];
  for (const symbol of [...symbolsWith("package", old, now), ...symbolsWith("images", old, now)]) {
    const owner = symbolEffect(symbol) === "package" ? packageOfSymbol(symbol, names) : undefined;
    const readers = names.filter((name) => reads(name, symbol, now));
    for (const name of owner === undefined ? readers : [owner, ...readers]) {
      if (!options.has(name)) options.set(name, `${symbol} ${change(old, now, symbol)}`);
    }
  }
  return options;
}

/**
 * Whether a package depends on a symbol because its make file reads it. A package and its host variant share one make
 * file; the host variant does not depend on other packages of the image.
 */
function reads(name: string, symbol: string, { reads, packages }: RebuildState): boolean {
  if (reads.get(name)?.includes(symbol) !== true) return false;
  return packages.get(name)?.type === "target" || !/^BR2_PACKAGE_(?!HOST_)/.test(symbol);
}

function dependencyChange(before: readonly string[], after: readonly string[]): string {
  const gained = after.filter((name) => !before.includes(name));
  const lost = before.filter((name) => !after.includes(name));
  return [...gained.map((name) => `${name}, a new dependency`), ...lost.map((name) => `no longer ${name}`)].join(" and ");
}

/** Changes that only the last steps of a build read. */
function imageReasons(old: RebuildState, now: RebuildState): readonly string[] {
  const files = changedKeys(old.overlay, now.overlay);
  return [
    ...(files.length === 0 ? [] : [`the overlay changed (${summarize(files)})`]),
    ...(old.layout === now.layout ? [] : ["the layout changed"]),
    ...(old.scripts === now.scripts ? [] : ["the board scripts changed"]),
    ...finalSymbols(old, now).map((name) => `${name} ${change(old, now, name)}`),
  ];
}

function finalSymbols(old: RebuildState, now: RebuildState): readonly string[] {
  return symbolsWith("images", old, now);
}

function symbolsWith(effect: SymbolEffect, old: RebuildState, now: RebuildState): readonly string[] {
  return changedSymbols(old, now).filter((name) => symbolEffect(name) === effect);
}

function removedFiles(old: RebuildState, now: RebuildState): readonly string[] {
  return [...old.overlay.keys()].filter((path) => !now.overlay.has(path)).sort();
}

/** A symbol without a line counts as n. */
function changedSymbols(old: RebuildState, now: RebuildState): readonly string[] {
  const value = (state: RebuildState, name: string): string => state.config.get(name) ?? "n";
  return changedKeys(old.config, now.config).filter((name) => value(old, name) !== value(now, name));
}

function change(old: RebuildState, now: RebuildState, symbol: string): string {
  return `changed from ${old.config.get(symbol) ?? "n"} to ${now.config.get(symbol) ?? "n"}`;
}

function summarize(reasons: readonly string[]): string {
  const more = reasons.length - 3;
  return more > 0 ? `${reasons.slice(0, 3).join("; ")}; and ${more} more` : reasons.join("; ");
}
