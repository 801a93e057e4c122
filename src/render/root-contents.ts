import type { BackendName, Resolved, RootPart } from "../model/resolved.js";

/** Everything that the profile and its features put into the root of one backend's image, in the order of rendering. */
export type RootContents = Omit<RootPart, "feature">;

/**
 * The contents of an image. The debian backend leaves out everything that a feature of `backends.debian.omit` brings:
 * a unit, a file or an account is of no use without the packages of its feature. What another feature or the profile
 * asks for too, stays. The buildroot backend leaves nothing out.
 */
export function rootContents({ rootParts, debianOmitted }: Resolved, backend: BackendName): RootContents {
  const omitted = backend === "debian" ? debianOmitted : [];
  const parts = rootParts.filter(({ feature }) => feature === undefined || !omitted.includes(feature));
  const [own, features] = [parts.filter(({ feature }) => feature === undefined), parts.filter(({ feature }) => feature !== undefined)];
  return {
    overlayFiles: parts.flatMap(({ overlayFiles }) => overlayFiles),
    files: parts.flatMap(({ files }) => files),
    users: parts.flatMap(({ users }) => users),
    units: parts.flatMap(({ units }) => units),
    enable: unique(parts.flatMap(({ enable }) => enable)),
    // The modules of the profile load first: they drive the disk.
    modules: unique([...own, ...features].flatMap(({ modules }) => modules.map(moduleName))),
  };
}

/** The one name of a module: modprobe(8) takes `-` and `_` alike. */
function moduleName(name: string): string {
  return name.replaceAll("-", "_");
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}
