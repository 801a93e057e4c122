import { mergeRequests } from "../kconfig/requests.js";
import { HalError, type Location } from "../lib/errors.js";
import { findDocument } from "../load/catalog.js";
import { callersFolders } from "../load/kinds.js";
import { load } from "../load/load.js";
import { refuseOutside } from "../load/outside.js";
import { complete } from "../load/schema.js";
import { fileOf, nearestOrigin, originsOf } from "../load/tree.js";
import type { Feature, Layout, Profile } from "../model/generated.js";
import { partitionsOf } from "../model/partitions.js";
import { platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";
import { checkSemantics } from "./check.js";
import { type Contribution, featurePart, kernelFragments, profilePart, readText, requestsOf } from "./contributions.js";
import { checkLaunch, withLaunchDefaults } from "./launch.js";
import { withLayoutOptions } from "./layout-options.js";
import { loadWithParents, requireFileName } from "./parents.js";
import { applySettings } from "./set-options.js";

export interface ResolveOptions {
  /** Values of `--set`, as `key.path=value`. They override the profile. */
  readonly set?: readonly string[];
  /** false: check the overlays but leave their files empty. For commands that only need the profile: an overlay can be large. */
  readonly overlayContents?: boolean;
  /** Accept files out of the tree of the document that names them (`--allow-outside`). */
  readonly allowOutside?: boolean;
}

/**
 * Resolves one image: finds the profile, merges its parents, and applies `--set` and all defaults.
 * Then it adds layout and features, reads the files of the profile, and checks that all parts fit together.
 * No other code applies a default.
 * @param reference the name of a profile, or the path of its YAML file
 * @throws HalError "input" with a location
 */
export async function resolve(reference: string, options: ResolveOptions = {}): Promise<Resolved> {
  const { allowOutside = false } = options;
  const file = findDocument("profile", reference, undefined, { file: reference });
  const tree = applySettings(await loadWithParents(file, allowOutside), options.set ?? []);
  const written = withToolchainDefaults(complete<Profile>(tree, "profile", allowOutside));
  const origins = originsOf(tree);
  const at = (pointer: string): Location => nearestOrigin(origins, pointer);
  const { snapshot = "", mirror = "" } = written.debian;
  const addresses = {
    "/buildroot/primarySite": written.buildroot.primarySite,
    "/debian/mirror": mirror.replaceAll("@SNAPSHOTID@", snapshot),
  };
  for (const [pointer, address] of Object.entries(addresses))
    if (address?.startsWith("file:")) refuseOutside(address.slice("file://".length), at(pointer), allowOutside);

  if (written.abstract)
    throw new HalError("input", `profile '${written.name}' is abstract, so only other profiles can use it`, {
      at: at("/abstract"),
      remedy: "extend it in a profile of your own",
    });
  const { platform: name } = written;
  if (name === undefined)
    throw new HalError("input", `profile '${written.name}' has no platform`, {
      at: tree.at,
      remedy: `set platform to one of: ${Object.keys(platforms).join(", ")}`,
    });
  const { profile, defaults } = withLaunchDefaults(written, name);
  if (profile.layout === undefined)
    throw new HalError("input", `profile '${profile.name}' has no layout`, {
      at: tree.at,
      remedy: "set layout to hardened or ram (see hal list)",
    });

  const layoutFile = findDocument("layout", profile.layout, fileOf(at("/layout")), at("/layout"));
  refuseOutside(layoutFile, at("/layout"), allowOutside, callersFolders);
  const layoutTree = await load(layoutFile, "layout");
  requireFileName(layoutTree, layoutFile);
  const layout = withLayoutOptions(complete<Layout>(layoutTree, "layout", allowOutside), profile, at);

  const features: LoadedFeature[] = [];
  for (const [index, name] of profile.features.entries()) {
    const where = at(`/features/${index}`);
    const featureFile = findDocument("feature", name, fileOf(where), where);
    if (features.some((loaded) => loaded.file === featureFile)) continue;
    refuseOutside(featureFile, where, allowOutside, callersFolders);
    const featureTree = await load(featureFile, "feature");
    requireFileName(featureTree, featureFile);
    features.push({ feature: complete<Feature>(featureTree, "feature", allowOutside), file: featureFile, origins: originsOf(featureTree) });
  }

  const read = options.overlayContents ?? true;
  const omitted = new Set(profile.backends.debian.omit);
  const debianFeatures = features.filter(({ feature }) => !omitted.has(feature.name)).map(({ feature }) => feature);
  const own: Contribution = { by: `profile ${profile.name}`, origins };
  const parts = features.map(({ feature, origins }) => ({ feature, from: { by: `feature ${feature.name}`, origins } }));

  const resolved: Resolved = {
    name: profile.name,
    profile,
    layout,
    features: features.map(({ feature }) => feature),
    platform: name,
    partitions: partitionsOf(profile.name, profile.boot, layout),
    cmdline: cmdlineOf(profile, layout),
    buildrootRequests: mergeRequests([
      ...parts.flatMap(({ feature, from }) => requestsOf(feature.buildroot.config, from, "/buildroot/config")),
      ...requestsOf(profile.buildroot.config, own, "/buildroot/config"),
    ]),
    kernelFragments: await kernelFragments(profile, parts, own),
    localMk: await readText(profile.buildroot.localMk, at("/buildroot/localMk")),
    rootParts: [
      ...(await Promise.all(parts.map(({ feature, from }) => featurePart(feature, from, read)))),
      await profilePart(profile, own, read),
    ],
    debianPackages: unique([...profile.debian.packages, ...debianFeatures.flatMap((feature) => feature.debian.packages)]).sort(),
    debianKernel: [profile.debian.kernel, ...debianFeatures.map((feature) => feature.debian.kernel)].includes("generic")
      ? "generic"
      : "cloud",
    debianOmitted: features
      .map(({ feature }) => feature.name)
      .filter((name) => omitted.has(name))
      .sort(),
    disable: unique(profile.services.disable),
    defaults,
    origins,
  };
  checkSemantics(resolved);
  checkLaunch(resolved);
  return resolved;
}

interface LoadedFeature {
  readonly feature: Feature;
  readonly file: string;
  readonly origins: ReadonlyMap<string, Location>;
}

/** Fills in the schema's defaults of an external toolchain. ajv fills in no defaults inside an alternative. */
function withToolchainDefaults(profile: Profile): Profile {
  const { toolchain } = profile.buildroot;
  if (typeof toolchain === "string") return profile;
  const whole = { ...externalToolchain, ...toolchain };
  return { ...profile, buildroot: { ...profile.buildroot, toolchain: whole } };
}

const externalToolchain = { prefix: "x86_64-linux-gnu", gcc: 12, headers: "6.1", config: {} } as const;

/** Returns the kernel parameters. A debug image has a serial console, so `quiet` and `console=null` are removed. */
function cmdlineOf(profile: Profile, layout: Layout): string[] {
  const parameters = profile.debug
    ? [...profile.kernel.cmdline.filter((word) => word !== "quiet" && word !== "console=null"), "console=ttyS0"]
    : profile.kernel.cmdline;
  return unique([...parameters, ...layout.cmdline]);
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}
