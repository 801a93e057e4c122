import { changedKeys, packageOfSymbol, type SymbolEffect, symbolEffect } from "./rebuild-symbols.js";

/** A package that is part of a build, as `make show-info` lists it. */
export interface ListedPackage {
  readonly type: "target" | "host";
  readonly version: string;
  readonly dependencies: readonly string[];
  /** Where it is built, below the output directory. */
  readonly directory: string;
}

/** Everything that decides what a Buildroot output directory must contain. Digests are of contents. */
export interface BuildInputs {
  /** Version and commit of the Buildroot tree. */
  readonly buildroot: string;
  /** Buildroot's output directory as make sees it: its path is in what it holds. */
  readonly output: string;
  /** The resolved .config: symbol to value as written. */
  readonly config: ReadonlyMap<string, string>;
  readonly packages: ReadonlyMap<string, ListedPackage>;
  /** Digest of a package's recipe, patches, hashes and overridden source, where hal or the user provides them. */
  readonly recipes: ReadonlyMap<string, string>;
  /** The symbols that each package's make file reads. */
  readonly reads: ReadonlyMap<string, readonly string[]>;
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
  /** The directory of a package that the configuration no longer has: its own recipe may be gone with it. */
  readonly removes?: string;
  /**
   * Empty TARGET_DIR first: with per-package directories Buildroot copies every package into it again at
   * finalization but never deletes, so a file that is no longer installed, or that an overlay or script of
   * before put there, would stay in the image.
   */
  readonly emptyTarget?: true;
}

/** Packages that everything is compiled with or against, or whose files every package's target tree starts from. */
const FOUNDATION = /^(?:linux-headers|glibc|musl|uclibc|host-binutils|host-gcc-(?:initial|final)|toolchain(?:-.+)?|skeleton(?:-.+)?)$/;

/**
 * What must be made again so that an output directory built from `old` holds what `now` asks for; Buildroot
 * itself does not know (manual, "Understanding when a full rebuild is necessary").
 * @param old undefined when nothing has been built yet
 * @returns make targets in order; empty when nothing changed
 */
export function planRebuild(old: BuildInputs | undefined, now: BuildInputs): readonly RebuildStep[] {
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

function perPackage({ config }: BuildInputs): boolean {
  return config.get("BR2_PER_PACKAGE_DIRECTORIES") === "y";
}

/** Each one alone makes every package doubtful. */
function cleanReasons(old: BuildInputs, now: BuildInputs): readonly string[] {
  return [
    ...(old.buildroot === now.buildroot ? [] : [`Buildroot changed from ${old.buildroot} to ${now.buildroot}`]),
    ...(old.output === now.output ? [] : [`the build directory was ${old.output}, and what was built knows that path`]),
    ...symbolsWith("everything", old, now).map((name) => `${name} ${change(old, now, name)}`),
  ];
}

function foundationChanges(old: BuildInputs, now: BuildInputs): readonly string[] {
  const versions = [...now.packages].filter(([name, { version }]) => (old.packages.get(name)?.version ?? version) !== version);
  const changed = [
    ...versions.map(([name]) => name),
    ...changedKeys(old.recipes, now.recipes),
    ...changedKeys(old.fragments, now.fragments),
  ];
  return [...new Set(changed)].filter((name) => FOUNDATION.test(name)).map((name) => `${name} changed, which everything is built on`);
}

/** Without per-package directories nothing removes a file from TARGET_DIR again. */
function staleFiles(old: BuildInputs, now: BuildInputs, again: ReadonlyMap<string, string>): readonly string[] {
  if (perPackage(now)) return [];
  const stays = "and without per-package directories old files stay in the image";
  const removed = [...old.packages].filter(([name, { type }]) => type === "target" && !now.packages.has(name));
  return [
    ...removed.map(([name]) => `${name} is removed, ${stays}`),
    ...removedFiles(old, now).map((path) => `${path} left the overlay, ${stays}`),
    ...[...again.values()].map((why) => `${why}, ${stays}`),
  ];
}

/** Built by Kbuild, which compiles what a changed configuration changes and installs all modules anew. */
const INCREMENTAL = "linux";

/** Packages whose Kconfig file or fragments changed. */
function configuredAnew(old: BuildInputs, now: BuildInputs): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const name of changedKeys(old.fragments, now.fragments)) found.set(name, `the configuration of ${name} changed`);
  for (const symbol of symbolsWith("configuration", old, now)) {
    const owner = packageOfSymbol(symbol, [...now.packages.keys()]);
    if (owner !== undefined && !found.has(owner)) found.set(owner, `${symbol} ${change(old, now, symbol)}`);
  }
  return new Map([...found].filter(([name]) => old.packages.has(name) && now.packages.has(name)));
}

/** Those of them that need not start over: others would leave behind what they no longer install, such as BusyBox its applets. */
function reconfiguredPackages(old: BuildInputs, now: BuildInputs): ReadonlyMap<string, string> {
  return new Map([...configuredAnew(old, now)].filter(([name]) => name === INCREMENTAL));
}

/**
 * Packages to build from scratch, with the reason: their own change first, then everything that depends on a
 * changed one. That is needed even where the dependency is one of order: each package's own target tree
 * starts as a copy of its dependencies', and at finalization the copy in the package whose name sorts last wins.
 */
function rebuiltPackages(old: BuildInputs, now: BuildInputs, reconfigured: readonly string[]): ReadonlyMap<string, string> {
  const again = new Map<string, string>();
  const anew = [...configuredAnew(old, now)].filter(([name]) => name !== INCREMENTAL);
  const options = new Map([...anew, ...changedOptions(old, now)]);
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

/** The package that each changed option belongs to, and those whose make file reads it. */
function changedOptions(old: BuildInputs, now: BuildInputs): ReadonlyMap<string, string> {
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
 * The make file of a package is that of its host variant too; what it says about another package of the image
 * is not about that one.
 */
function reads(name: string, symbol: string, { reads, packages }: BuildInputs): boolean {
  if (reads.get(name)?.includes(symbol) !== true) return false;
  return packages.get(name)?.type === "target" || !/^BR2_PACKAGE_(?!HOST_)/.test(symbol);
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
  return symbolsWith("images", old, now);
}

function symbolsWith(effect: SymbolEffect, old: BuildInputs, now: BuildInputs): readonly string[] {
  return changedSymbols(old, now).filter((name) => symbolEffect(name) === effect);
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
