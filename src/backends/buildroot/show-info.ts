import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { sha256File } from "../../lib/digest.js";
import { refuseLinks } from "../../lib/links.js";
import { runCommand } from "../../lib/tools.js";
import { packageVariable } from "../../render/render.js";
import type { BuiltPackage } from "../backend.js";
import { type BuildrootDirs, toRealPaths } from "./dirs.js";
import { makeCommand } from "./environment.js";
import type { BuildrootTree } from "./source.js";

/** A package as `make show-info` reports it, reduced to what hal needs. */
export interface ShownPackage {
  readonly type: "target" | "host";
  readonly version: string;
  readonly virtual: boolean;
  readonly dependencies: readonly string[];
  readonly licenses: string;
  /** The first download: file name, address, and path in the download directory. */
  readonly source: { readonly file: string; readonly uri: string; readonly path: string } | undefined;
  /** Built from a source tree that the user's make file names (OVERRIDE_SRCDIR); version and source are meaningless then. */
  readonly replaced: boolean;
  /** The build directory, relative to Buildroot's `O=`. */
  readonly directory: string;
  /** The folder with the package's make and .hash files: relative to the Buildroot tree, or absolute in an external tree. */
  readonly folder: string | undefined;
}

interface Shown {
  readonly type?: string;
  readonly version?: string;
  readonly virtual?: boolean;
  readonly dependencies?: readonly string[];
  readonly licenses?: string;
  readonly package_dir?: string;
  readonly dl_dir?: string;
  readonly stamp_dir?: string;
  readonly downloads?: readonly { readonly source?: string; readonly uris?: readonly string[] }[];
}

/** Every package of the current configuration, by name. */
export async function showInfo(tree: BuildrootTree, dirs: BuildrootDirs, signal: AbortSignal): Promise<Map<string, ShownPackage>> {
  const command = makeCommand(tree, dirs, ["-s", "--no-print-directory", "show-info"]);
  const { stdout } = await runCommand(command, { signal, group: true });
  const shown = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Record<string, Shown>;
  return new Map(
    Object.entries(shown)
      .filter(([, entry]) => entry.type === "target" || entry.type === "host")
      .map(([name, entry]) => {
        const download = entry.downloads?.[0];
        const uri = download?.uris?.find((candidate) => !candidate.includes("sources.buildroot.net")) ?? "";
        return [
          name,
          {
            type: entry.type === "host" ? "host" : "target",
            version: entry.version ?? "",
            virtual: entry.virtual ?? false,
            dependencies: entry.dependencies ?? [],
            licenses: entry.licenses ?? "",
            source:
              download?.source === undefined
                ? undefined
                : { file: download.source, uri: uri.replace(/^[a-z]+\+/, ""), path: join(entry.dl_dir ?? name, download.source) },
            replaced: entry.version !== "custom" && (entry.stamp_dir ?? "").endsWith(`/${name}-custom`),
            directory: entry.stamp_dir ?? `build/${name}`,
            folder: entry.package_dir === undefined ? undefined : toRealPaths(entry.package_dir, command.mounts),
          } satisfies ShownPackage,
        ];
      }),
  );
}

/**
 * The packages of the image for the manifest. For a package with an overridden source, show-info still reports
 * Buildroot's own version; the manifest lists the digest of the override instead.
 * @param overridden digests of the source trees, by the prefix of the package's make variables
 * @param downloads BR2_DL_DIR. Where a .hash file contains no sha256, the archive itself is digested: Buildroot has
 * checked it by another hash.
 */
export async function imagePackages(
  shown: ReadonlyMap<string, ShownPackage>,
  tree: BuildrootTree,
  overridden: ReadonlyMap<string, string>,
  downloads: string,
): Promise<BuiltPackage[]> {
  const built: BuiltPackage[] = [];
  for (const [name, entry] of [...shown].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (entry.type !== "target" || entry.virtual) continue;
    const override = overridden.get(packageVariable(name));
    const license = entry.licenses === "" ? {} : { license: entry.licenses };
    if (override !== undefined) {
      built.push({
        name,
        version: `override-${override.slice(0, 12)}`,
        sha256: override,
        source: OWN_SOURCE,
        ...license,
      });
      continue;
    }
    if (entry.replaced) {
      built.push({ name, version: "custom", source: OWN_SOURCE, ...license });
      continue;
    }
    const digest =
      entry.source === undefined
        ? undefined
        : ((await sourceHash(tree, entry.folder, entry.source.file)) ?? (await downloaded(downloads, entry.source.path)));
    built.push({
      name,
      version: entry.version === "" ? "none" : entry.version,
      ...(digest === undefined ? {} : { sha256: digest }),
      ...(entry.source === undefined ? {} : { source: address(entry.source) }),
      ...license,
    });
  }
  return built;
}

/** The source of a package that the builder overrides. */
const OWN_SOURCE = "a source tree of the builder's";

/** The sha256 of a source archive, from the package's .hash file (`sha256  HEX  FILE`). */
async function sourceHash(tree: BuildrootTree, folder: string | undefined, file: string): Promise<string | undefined> {
  if (folder === undefined) return undefined;
  const name = folder.split("/").at(-1) ?? "";
  const text = await readFile(resolve(tree.dir, folder, `${name}.hash`), "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [kind, digest, named] = line.trim().split(/\s+/);
    if (kind === "sha256" && named === file) return digest;
  }
  return undefined;
}

async function downloaded(downloads: string, path: string): Promise<string | undefined> {
  await refuseLinks(downloads, path);
  return sha256File(join(downloads, path), { follow: false }).catch(() => undefined);
}

/** The address of a source, or for a file of this machine its name alone: the path does not belong in a manifest. */
function address({ uri, file }: { readonly uri: string; readonly file: string }): string {
  return uri.startsWith("file:") ? file : `${uri}/${file}`;
}
