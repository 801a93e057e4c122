import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { readFragment } from "../kconfig/dotconfig.js";
import { kconfigValue } from "../kconfig/requests.js";
import { HalError, type Location } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { Feature, Profile } from "../model/generated.js";
import type { KernelFragment, ResolvedFile, ResolvedUnit, RootPart, SymbolRequest, TreeFile } from "../model/resolved.js";
import { readOverlay } from "./overlays.js";

/** The profile or feature that adds something to an image, and the location of each of its values. */
export interface Contribution {
  readonly by: string;
  readonly origins: ReadonlyMap<string, Location>;
}

export function requestsOf(
  config: Readonly<Record<string, string | number | boolean>>,
  from: Contribution,
  pointer: string,
): SymbolRequest[] {
  return Object.entries(config).map(([symbol, value]) => {
    const at = nearestOrigin(from.origins, `${pointer}/${symbol}`);
    return { symbol, value: kconfigValue(value, at), at, by: from.by };
  });
}

export async function kernelFragments(
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
    const requests = readFragment(text, path).map((line) => ({ ...line, by: `kernel fragment ${basename(path)}` }));
    fragments.push({ name, requests, text });
  }
  for (const { feature, from } of parts) {
    const requests = requestsOf(feature.kernel.config, from, "/kernel/config");
    if (requests.length > 0) fragments.push({ name: `feature-${feature.name}`, requests });
  }
  const requests = requestsOf(profile.kernel.config, own, "/kernel/config");
  if (requests.length > 0) fragments.push({ name: "profile", requests });
  return fragments;
}

/**
 * The files, users, units and modules that a feature adds to the root.
 * @param read whether to read the files of its overlays
 */
export async function featurePart(feature: Feature, from: Contribution, read: boolean): Promise<RootPart> {
  const { name, overlays, users, enable } = feature;
  return {
    feature: name,
    overlayFiles: readOverlays(overlays, from, read),
    files: await readFiles(feature.files, from, "/files"),
    users,
    units: await readUnits(feature.units, from, "/units"),
    enable,
    modules: feature.kernel.modules,
  };
}

/** The same parts that the profile itself adds to the root. See featurePart. */
export async function profilePart(profile: Profile, from: Contribution, read: boolean): Promise<RootPart> {
  const { overlays, users, services } = profile;
  return {
    overlayFiles: readOverlays(overlays, from, read),
    files: await readFiles(profile.files, from, "/files"),
    users,
    units: await readUnits(services.units, from, "/services/units"),
    enable: services.enable,
    modules: profile.kernel.modules,
  };
}

function readOverlays(overlays: readonly string[], from: Contribution, read: boolean): TreeFile[] {
  return overlays.flatMap((overlay, index) => readOverlay(overlay, nearestOrigin(from.origins, `/overlays/${index}`), read));
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
  throw new HalError("input", `a symbolic link has no ${key} of its own`, { at, remedy: `remove '${key}'` });
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

export async function readText(path: string | undefined, at: Location): Promise<string> {
  return path === undefined ? "" : new TextDecoder().decode(await readInput(path, at));
}

/** The largest file that `files`, units, fragments and localMk can name. Larger files belong in an overlay. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

async function readInput(path: string, at: Location): Promise<Uint8Array> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new HalError("input", `${path} is not a regular file`, { at });
    if (info.size > MAX_INPUT_BYTES)
      throw new HalError("input", `${path} is larger than 64 MiB`, { at, remedy: "move it into an overlay" });
    return new Uint8Array(await readFile(path));
  } catch (error) {
    if (error instanceof HalError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw new HalError("input", code === "ENOENT" ? `${path} does not exist` : `${path} cannot be read: ${code}`, { at });
  }
}
