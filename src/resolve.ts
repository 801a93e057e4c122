import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { parseDocument } from "yaml";
import { findDocument } from "./catalog.js";
import { checkSemantics } from "./check.js";
import { HalError, type Location } from "./errors.js";
import type { Feature, Layout, Profile } from "./generated/types.js";
import { readFragment } from "./kconfig/dotconfig.js";
import { kconfigValue, mergeRequests } from "./kconfig/requests.js";
import { load, parseYaml } from "./load.js";
import { partitionsOf } from "./partitions.js";
import type { KernelFragment, Resolved, ResolvedFile, ResolvedUnit, SymbolRequest } from "./resolved.js";
import { complete, validate } from "./schema.js";
import { type MapTree, mergeTrees, nearestOrigin, originsOf, type Tree, toPlain, treeAt } from "./tree.js";

/** What belongs to one file and is not handed down to the profiles that extend it. */
const OWN_KEYS = new Set(["name", "description", "abstract", "extends"]);

export interface ResolveOptions {
  /** `key.path=value` from the command line, applied last. */
  readonly set?: readonly string[];
}

/**
 * Decides everything about one image: finds the profile, merges its parents, applies `--set` and the
 * schema's defaults, folds in layout and features, reads the files it names, and checks that all fits together.
 * The only place where a default is applied.
 * @param reference a profile's name or a path to its YAML file
 * @throws HalError "input", located
 */
export async function resolve(reference: string, options: ResolveOptions = {}): Promise<Resolved> {
  const file = findDocument("profile", reference, undefined, { file: reference });
  const sources: string[] = [];
  const written = await loadWithParents(file, sources);
  const tree = applySettings(written, options.set ?? []);
  const profile = withToolchainDefaults(complete<Profile>(tree, "profile"));
  const origins = originsOf(tree);
  const at = (pointer: string): Location => nearestOrigin(origins, pointer);

  if (profile.abstract)
    throw new HalError("input", `profile '${profile.name}' is abstract: it is only for others to extend`, { at: at("/abstract") });
  if (profile.platform === undefined)
    throw new HalError("input", `profile '${profile.name}' has no platform`, {
      at: tree.at,
      remedy: "platform: sev-snp, sev, tdx, nitro or none",
    });
  if (profile.layout === undefined)
    throw new HalError("input", `profile '${profile.name}' has no layout`, { at: tree.at, remedy: "layout: hardened or ram (hal list)" });

  const layoutFile = findDocument(
    "layout",
    profile.layout,
    at("/layout").file.startsWith("--") ? undefined : at("/layout").file,
    at("/layout"),
  );
  sources.push(layoutFile);
  const layoutTree = await load(layoutFile, "layout");
  refuseOtherName(layoutTree, layoutFile);
  const layout = withLayoutOptions(complete<Layout>(layoutTree, "layout"), profile, at);

  const features: LoadedFeature[] = [];
  for (const [index, name] of profile.features.entries()) {
    const where = at(`/features/${index}`);
    const featureFile = findDocument("feature", name, where.file.startsWith("--") ? undefined : where.file, where);
    if (features.some((loaded) => loaded.file === featureFile)) continue;
    const featureTree = await load(featureFile, "feature");
    refuseOtherName(featureTree, featureFile);
    sources.push(featureFile);
    features.push({ feature: complete<Feature>(featureTree, "feature"), file: featureFile, origins: originsOf(featureTree) });
  }

  const omitted = new Set(profile.backends.debian.omit);
  const debianFeatures = features.filter(({ feature }) => !omitted.has(feature.name)).map(({ feature }) => feature);
  const own: Contribution = { by: `profile ${profile.name}`, origins };
  const parts = features.map(({ feature, origins }) => ({ feature, from: { by: `feature ${feature.name}`, origins } }));

  const resolved: Resolved = {
    name: profile.name,
    profile,
    layout,
    features: features.map(({ feature }) => feature),
    platform: profile.platform,
    partitions: partitionsOf(profile.name, profile.boot, layout),
    cmdline: cmdlineOf(profile, layout),
    buildrootRequests: mergeRequests([
      ...parts.flatMap(({ feature, from }) => requestsOf(feature.buildroot.config, from, "/buildroot/config")),
      ...requestsOf(profile.buildroot.config, own, "/buildroot/config"),
    ]),
    kernelFragments: await kernelFragments(profile, parts, own),
    localMk: await readText(profile.buildroot.localMk, at("/buildroot/localMk")),
    modules: unique([...profile.kernel.modules, ...features.flatMap(({ feature }) => feature.kernel.modules)]),
    debianPackages: unique([...profile.debian.packages, ...debianFeatures.flatMap((feature) => feature.debian.packages)]).sort(),
    debianKernel: [profile.debian.kernel, ...debianFeatures.map((feature) => feature.debian.kernel)].includes("generic")
      ? "generic"
      : "cloud",
    debianOmitted: features
      .map(({ feature }) => feature.name)
      .filter((name) => omitted.has(name))
      .sort(),
    overlays: [...features.flatMap(({ feature }) => feature.overlays), ...profile.overlays],
    files: [
      ...(await Promise.all(parts.map(({ feature, from }) => readFiles(feature.files, from, "/files")))).flat(),
      ...(await readFiles(profile.files, own, "/files")),
    ],
    users: [...features.flatMap(({ feature }) => feature.users), ...profile.users],
    units: [
      ...(await Promise.all(parts.map(({ feature, from }) => readUnits(feature.units, from, "/units")))).flat(),
      ...(await readUnits(profile.services.units, own, "/services/units")),
    ],
    enable: unique([...features.flatMap(({ feature }) => feature.enable), ...profile.services.enable]),
    disable: unique(profile.services.disable),
    origins,
    sources: unique(sources),
  };
  await checkSemantics(resolved);
  return resolved;
}

interface LoadedFeature {
  readonly feature: Feature;
  readonly file: string;
  readonly origins: ReadonlyMap<string, Location>;
}

interface Contribution {
  readonly by: string;
  readonly origins: ReadonlyMap<string, Location>;
}

/** The merged tree of one profile file over all of its parents. A parent of several of them is there once, below all of them. */
async function loadWithParents(file: string, sources: string[]): Promise<MapTree> {
  const trees = new Map<string, MapTree>();
  await loadLine(file, [], trees);
  sources.push(...trees.keys());
  const own = trees.get(file);
  const inherited = [...trees].flatMap(([path, tree]) => (path === file ? [] : [withoutOwnKeys(tree)]));
  return [...inherited, ...(own === undefined ? [] : [own])].reduce((merged, tree) => mergeTrees(merged, tree) as MapTree);
}

/** Adds a profile's file behind those of its parents, in the order in which `extends` names them. */
async function loadLine(file: string, children: readonly string[], line: Map<string, MapTree>): Promise<void> {
  const tree = await load(file, "profile");
  refuseOtherName(tree, file);
  for (const parent of parentsOf(tree)) {
    const parentFile = findDocument("profile", parent.reference, file, parent.at);
    const chain = [...children, file];
    if (chain.includes(parentFile)) {
      const names = [...chain.slice(chain.indexOf(parentFile)), parentFile].map((path) => basename(path, ".yaml"));
      throw new HalError("input", `profiles extend each other in a circle: ${names.join(" → ")}`, { at: parent.at });
    }
    if (!line.has(parentFile)) await loadLine(parentFile, chain, line);
  }
  line.set(file, tree);
}

/** Names are looked up by file: one that calls itself something else would be taken for another. */
function refuseOtherName(tree: MapTree, file: string): void {
  const name = treeAt(tree, "/name");
  const kind = treeAt(tree, "/kind");
  if (name?.type !== "scalar" || basename(file).replace(/\.ya?ml$/, "") === name.value) return;
  const what = kind?.type === "scalar" ? String(kind.value).toLowerCase() : "document";
  throw new HalError("input", `the ${what} in ${basename(file)} is called '${name.value}'`, {
    at: name.at,
    remedy: "name and file must agree",
  });
}

function parentsOf(tree: MapTree): { reference: string; at: Location }[] {
  const given = treeAt(tree, "/extends");
  if (given === undefined) return [];
  const items = given.type === "list" ? given.items : [given];
  return items.map((item) => ({ reference: String(toPlain(item)), at: item.at }));
}

function withoutOwnKeys(tree: MapTree): MapTree {
  return { ...tree, entries: new Map([...tree.entries].filter(([key]) => !OWN_KEYS.has(key))) };
}

/** Applies `key.path=value`. The value is YAML, so numbers, true and [lists] work; a list or map replaces. */
function applySettings(tree: MapTree, settings: readonly string[]): MapTree {
  let result = tree;
  for (const setting of settings) {
    const equals = setting.indexOf("=");
    const where: Location = { file: `--set ${equals < 0 ? setting : setting.slice(0, equals)}` };
    const path = setting.slice(0, Math.max(equals, 0)).split(".");
    if (equals <= 0 || path.includes(""))
      throw new HalError("input", "not of the form key.path=value", { at: where, remedy: "for example: --set launch.memory=4G" });
    const text = setting.slice(equals + 1);
    const attempt = (value: string): MapTree => {
      // The value alone is YAML: inside a map it could bring keys of its own.
      const parsed = treeAt(parseYaml(`value: ${value}`, where.file), "/value");
      if (parsed === undefined) throw new HalError("input", "has no value", { at: where });
      const nested = path.reduceRight(
        (inner: Tree, key): Tree => ({ type: "map", at: where, replace: false, entries: new Map([[key, { keyAt: where, value: inner }]]) }),
        asReplacement(parsed),
      );
      const merged = relocate(mergeTrees(result, nested), where) as MapTree;
      validate(merged, "profile");
      return { ...merged, at: result.at };
    };
    const quoted = JSON.stringify(text);
    const plain = parseDocument(text).contents === null || text.trim() !== text || /\n|^[&*!|>%@`]|\s#/.test(text) ? quoted : text;
    try {
      result = attempt(plain);
    } catch (error) {
      // `--set buildroot.version=2026.02` is a number to YAML and text to the schema: the schema decides.
      if (!(error instanceof HalError) || plain === quoted) throw error;
      try {
        result = attempt(quoted);
      } catch {
        throw error;
      }
    }
  }
  return result;
}

/** Marks every list of a `--set` value so that it replaces rather than appends. */
function asReplacement(tree: Tree): Tree {
  if (tree.type === "list") return { ...tree, replace: true };
  if (tree.type === "scalar") return tree;
  return { ...tree, entries: new Map([...tree.entries].map(([key, entry]) => [key, { ...entry, value: asReplacement(entry.value) }])) };
}

/** Values from the command line have no line: their place is the `--set` itself. */
function relocate(tree: Tree, where: Location): Tree {
  const place = (at: Location): Location => (at.file === where.file ? where : at);
  if (tree.type === "list") return { ...tree, at: place(tree.at), items: tree.items.map((item) => relocate(item, where)) };
  if (tree.type === "scalar") return { ...tree, at: place(tree.at) };
  const entries = [...tree.entries].map(
    ([key, entry]) => [key, { keyAt: place(entry.keyAt), value: relocate(entry.value, where) }] as const,
  );
  return { ...tree, at: place(tree.at), entries: new Map(entries) };
}

/** The schema's defaults of an external toolchain: ajv fills in none inside an alternative. */
function withToolchainDefaults(profile: Profile): Profile {
  const { toolchain } = profile.buildroot;
  if (typeof toolchain === "string") return profile;
  const whole = { ...externalToolchain, ...toolchain };
  return { ...profile, buildroot: { ...profile.buildroot, toolchain: whole } };
}

const externalToolchain = { prefix: "x86_64-linux-gnu", gcc: 12, headers: "6.1", config: {} } as const;

function withLayoutOptions(layout: Layout, profile: Profile, at: (pointer: string) => Location): Layout {
  const { rootSize, rwSize, swapSize, integrity } = profile.layoutOptions;
  const misfit = (key: string, part: string): never => {
    throw new HalError("input", `layout '${layout.name}' has no ${part}`, {
      at: at(`/layoutOptions/${key}`),
      remedy: "remove this option or choose another layout",
    });
  };
  if (rootSize !== undefined && layout.root.type !== "verity") misfit("rootSize", "root partition");
  if (rwSize !== undefined && layout.rw === undefined) misfit("rwSize", "read-write partition");
  if (integrity !== undefined && layout.rw === undefined) misfit("integrity", "read-write partition");
  if (swapSize !== undefined && layout.swap === undefined) misfit("swapSize", "swap partition");
  return {
    ...layout,
    root: { ...layout.root, size: rootSize ?? layout.root.size },
    ...(layout.rw === undefined
      ? {}
      : { rw: { ...layout.rw, size: rwSize ?? layout.rw.size, integrity: integrity ?? layout.rw.integrity } }),
    ...(layout.swap === undefined ? {} : { swap: { size: swapSize ?? layout.swap.size } }),
  };
}

/** debug turns the console on: `quiet` and a null console would only hide what it is for. */
function cmdlineOf(profile: Profile, layout: Layout): string[] {
  const asked = profile.debug
    ? [...profile.kernel.cmdline.filter((word) => word !== "quiet" && word !== "console=null"), "console=ttyS0"]
    : profile.kernel.cmdline;
  return unique([...asked, ...layout.cmdline]);
}

function requestsOf(config: Readonly<Record<string, string | number | boolean>>, from: Contribution, pointer: string): SymbolRequest[] {
  return Object.entries(config).map(([symbol, value]) => {
    const at = nearestOrigin(from.origins, `${pointer}/${symbol}`);
    return { symbol, value: kconfigValue(value, at), at, by: from.by };
  });
}

async function kernelFragments(
  profile: Profile,
  parts: readonly { feature: Feature; from: Contribution }[],
  own: Contribution,
): Promise<KernelFragment[]> {
  const fragments: KernelFragment[] = [];
  for (const [index, path] of profile.kernel.fragments.entries()) {
    const at = nearestOrigin(own.origins, `/kernel/fragments/${index}`);
    const text = await readText(path, at);
    const name = `${String(index + 1).padStart(2, "0")}-${basename(path)
      .replace(/\.(config|fragment)$/, "")
      .replace(/[^A-Za-z0-9._-]/g, "_")}`;
    fragments.push({ name, requests: readFragment(text, path).map((line) => ({ ...line, by: `kernel fragment ${basename(path)}` })) });
  }
  for (const { feature, from } of parts) {
    const requests = requestsOf(feature.kernel.config, from, "/kernel/config");
    if (requests.length > 0) fragments.push({ name: `feature-${feature.name}`, requests });
  }
  const requests = requestsOf(profile.kernel.config, own, "/kernel/config");
  if (requests.length > 0) fragments.push({ name: "profile", requests });
  return fragments;
}

async function readFiles(files: Profile["files"], from: Contribution, pointer: string): Promise<ResolvedFile[]> {
  return Promise.all(
    files.map(async (file, index) => {
      const at = nearestOrigin(from.origins, `${pointer}/${index}/${file.source === undefined ? "path" : "source"}`);
      const content = file.source === undefined ? new TextEncoder().encode(file.content ?? "") : await readInput(file.source, at);
      const { path, owner, group, link } = file;
      if (link !== undefined) refuseOwnership(from, `${pointer}/${index}`);
      return { path, content, mode: Number.parseInt(file.mode, 8), owner, group, ...(link === undefined ? {} : { link }), at };
    }),
  );
}

function refuseOwnership(from: Contribution, pointer: string): void {
  const key = ["mode", "owner", "group"].find((name) => from.origins.has(`${pointer}/${name}`));
  if (key === undefined) return;
  const at = nearestOrigin(from.origins, `${pointer}/${key}`);
  throw new HalError("input", `a symbolic link has no ${key} of its own`, { at, remedy: `leave '${key}' out` });
}

async function readUnits(units: Profile["services"]["units"], from: Contribution, pointer: string): Promise<ResolvedUnit[]> {
  return Promise.all(
    units.map(async (unit, index) => {
      const at = nearestOrigin(from.origins, `${pointer}/${index}/name`);
      const content = unit.content ?? (await readText(unit.source, at));
      return { name: unit.name, content, enable: unit.enable, at };
    }),
  );
}

async function readText(path: string | undefined, at: Location): Promise<string> {
  return path === undefined ? "" : new TextDecoder().decode(await readInput(path, at));
}

/** Larger files belong in an overlay, which is copied rather than held in memory. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

async function readInput(path: string, at: Location): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new HalError("input", `${path} is not a regular file`, { at });
    if (info.size > MAX_INPUT_BYTES) throw new HalError("input", `${path} is larger than 64 MiB`, { at, remedy: "put it in an overlay" });
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof HalError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new HalError("input", code === "ENOENT" ? `${path} does not exist` : `${path} cannot be read: ${code}`, { at });
  }
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}
