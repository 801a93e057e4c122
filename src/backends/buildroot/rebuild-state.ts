import { existsSync } from "node:fs";
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join, resolve as resolvePath } from "node:path";
import fastGlob from "fast-glob";
import type { DotConfig } from "../../kconfig/dotconfig.js";
import { sha256 } from "../../lib/digest.js";
import type { Rendered } from "../../model/resolved.js";
import { packageVariable } from "../../render/render.js";
import type { RebuildState } from "./rebuild.js";
import type { ShownPackage } from "./show-info.js";
import type { BuildrootTree } from "./source.js";

export interface RebuildInput {
  readonly rendered: Rendered;
  readonly tree: BuildrootTree;
  /** Buildroot's `O=` as make sees it. */
  readonly buildrootOutput: string;
  readonly config: DotConfig;
  readonly packages: ReadonlyMap<string, ShownPackage>;
  /** From `sourceDigests`. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Collects the state that the next build compares with. */
export async function rebuildState({ rendered, tree, buildrootOutput, config, packages, sources }: RebuildInput): Promise<RebuildState> {
  const under = (prefix: string) => rendered.files.filter((file) => file.path.startsWith(prefix));
  const digest = (files: Rendered["files"]): string =>
    sha256(files.map((file) => `${file.path}\0${file.mode}\0${file.link ?? sha256(file.content)}\n`).join(""));
  const recipes = new Map<string, string>();
  for (const file of [...under("package/"), ...under("patches/")]) {
    const name = file.path.split("/")[1] ?? "";
    recipes.set(name, sha256(`${recipes.get(name) ?? ""}${file.path}${sha256(file.content)}`));
  }
  const names = [...packages.keys(), ...(await packagesOf(tree)), ...under("package/").map((file) => file.path.split("/")[1] ?? "")];
  // The host package of the same name is built from the same source (package/pkg-generic.mk).
  const contents = [...sources].map(([variable, digest]) => `${variable}_ ${digest}\nHOST_${variable}_ ${digest}\n`);
  for (const [name, text] of makeRecipes(`${localMk(rendered)}\n${contents.join("")}`, names)) {
    recipes.set(name, sha256(`${recipes.get(name) ?? ""}${text}`));
  }
  const makeFiles = await readMakeFiles(tree, packages);
  const fixups = (name: string): string => fixupsOf(name, makeFiles);
  const board = (names: readonly string[]) => digest(rendered.files.filter((file) => names.includes(file.path.replace("board/hal/", ""))));
  return {
    buildroot: `${tree.version} ${tree.commit ?? "own tree"}`,
    buildrootOutput,
    config: new Map([...config.entries].map(([symbol, line]) => [symbol, line.value])),
    packages: new Map(
      [...packages].map(([name, { type, version, dependencies, directory }]) => [name, { type, version, dependencies, directory }]),
    ),
    recipes,
    reads: new Map([...makeFiles].map(([name, text]) => [name, [...new Set(text.match(/\bBR2_\w+/g))].sort()])),
    fragments: new Map([
      ["linux", digest(under("board/hal/kernel/")) + fixups("LINUX")],
      ["busybox", board(["busybox.fragment"]) + fixups("BUSYBOX")],
    ]),
    overlay: new Map(under("board/hal/overlay/").map((file) => [file.path.replace("board/hal/overlay", ""), digest([file])])),
    layout: board(["genimage.cfg", "init", "modules", "cmdline"]),
    scripts: board(["post-build.sh", "post-image.sh", "permissions.table", "users.table"]),
  };
}

function localMk({ files }: Rendered): string {
  return new TextDecoder().decode(files.find(({ path }) => path === "local.mk")?.content);
}

/**
 * Digests of the source trees that replace packages' archives: the profile's overrides, and those that its make file names
 * by an absolute path (Buildroot manual, "Using Buildroot during development"). Trees that do not exist are left out.
 * @returns by the prefix of the package's make variables: `UTIL_LINUX`
 */
export async function sourceDigests(rendered: Rendered): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  for (const [, variable = "", value = ""] of localMk(rendered).matchAll(SOURCE_TREE)) {
    const dir = value.trimEnd().replaceAll("$$", "$").replaceAll("\\#", "#");
    if (existsSync(dir)) digests.set(variable, await treeDigest(dir));
  }
  return digests;
}

const SOURCE_TREE = /^(?:override |export )*([A-Z0-9_]+)_OVERRIDE_SRCDIR[ \t]*[:?]?=[ \t]*(\/.*)$/gm;

/** Every package of Buildroot, because the user's make file may set variables of packages that are not built. */
async function packagesOf(tree: BuildrootTree): Promise<readonly string[]> {
  const makeFiles = await fastGlob("{arch,boot,fs,linux,package,support,toolchain}/**/*.mk", { cwd: tree.dir });
  return makeFiles.map((path) => basename(path, ".mk")).flatMap((name) => [name, `host-${name}`]);
}

/** The make files of every package's folder, as one text for each package. */
async function readMakeFiles(tree: BuildrootTree, packages: ReadonlyMap<string, ShownPackage>): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const [name, { folder }] of packages) {
    if (folder === undefined) continue;
    const dir = resolvePath(tree.dir, folder);
    const files = (await readdir(dir).catch(() => [])).filter((file) => file.endsWith(".mk")).sort();
    texts.set(name, (await Promise.all(files.map((file) => readFile(join(dir, file), "utf8")))).join(""));
  }
  return texts;
}

/** A digest of the packages that change the configuration of the kernel or of BusyBox (`FOO_LINUX_CONFIG_FIXUPS`). */
function fixupsOf(configured: string, makeFiles: ReadonlyMap<string, string>): string {
  const found = [...makeFiles].filter(([name, text]) => !name.startsWith("host-") && text.includes(`_${configured}_CONFIG_FIXUPS`));
  return found.length === 0 ? "" : sha256(found.map(([name, text]) => `${name} ${sha256(text)}\n`).join(""));
}

/**
 * The statements of BR2_PACKAGE_OVERRIDE_FILE, by the package whose variable they set. A statement that names no
 * package may affect everything, so it counts for the toolchain.
 */
export function makeRecipes(text: string, packages: readonly string[]): ReadonlyMap<string, string> {
  const byVariable = packages.map((name) => [`${packageVariable(name)}_`, name] as const);
  byVariable.sort(([a], [b]) => b.length - a.length);
  const recipes = new Map<string, string>();
  for (const [statement] of text.matchAll(/^(?:override |export )*define\b[\s\S]*?^endef$|^(?:.*\\\n)*.*$/gm)) {
    if (/^\s*(?:#.*)?$/.test(statement)) continue;
    const variable = /^(?:override |export |define )*\s*([A-Z0-9_]+)/.exec(statement)?.[1] ?? "";
    const owner = byVariable.find(([start]) => variable.startsWith(start))?.[1] ?? "toolchain";
    recipes.set(owner, `${recipes.get(owner) ?? ""}${statement}\n`);
  }
  return recipes;
}

/** Digest of a source tree: names, types and contents, without `.git`. */
export async function treeDigest(dir: string): Promise<string> {
  const lines: string[] = [];
  const visit = async (inside: string): Promise<void> => {
    const entries = await readdir(join(dir, inside), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(inside, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== ".git") await visit(path);
      } else if (entry.isSymbolicLink()) lines.push(`${path} -> ${await readlink(join(dir, path))}`);
      else if (entry.isFile()) lines.push(`${path} ${sha256(await readFile(join(dir, path)))}`);
    }
  };
  await visit("");
  return sha256(lines.join("\n"));
}

/** Increased when the fields of the record change; older records then count as unreadable, which means a clean build. */
const FORMAT = 2;

/** The state as JSON. The record contains `buildrootOutput` under its older name `output`. */
export function serializeState({ buildrootOutput: output, ...state }: RebuildState): string {
  const record = { format: FORMAT, output, ...state };
  return `${JSON.stringify(record, (_, value: unknown) => (value instanceof Map ? { map: [...value] } : value))}\n`;
}

/** The state of the last build; undefined when there is none, or its record is unreadable. */
export async function readState(file: string): Promise<RebuildState | undefined> {
  try {
    const text = await readFile(file, "utf8");
    const revive = (_: string, value: unknown): unknown => (isMap(value) ? new Map(value.map) : value);
    const { format, output, ...state } = JSON.parse(text, revive) as Omit<RebuildState, "buildrootOutput"> & {
      readonly format: unknown;
      readonly output: string;
    };
    return format === FORMAT ? { ...state, buildrootOutput: output } : undefined;
  } catch {
    return undefined;
  }
}

function isMap(value: unknown): value is { map: [unknown, unknown][] } {
  return typeof value === "object" && value !== null && "map" in value && Array.isArray(value.map);
}
