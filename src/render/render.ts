import { initrdName } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { makeValue } from "../lib/escape.js";
import { nearestOrigin } from "../load/tree.js";
import type { BackendName, Rendered, Resolved, TreeFile } from "../model/resolved.js";
import { permissionsView, usersView } from "./accounts.js";
import { bootView } from "./boot-view.js";
import { buildrootSymbols } from "./buildroot-symbols.js";
import { busyboxOptions } from "./busybox.js";
import { defconfigName, defconfigText } from "./defconfig.js";
import { fragmentText } from "./kernel-fragments.js";
import { modulesOf } from "./modules.js";
import { overlayOf } from "./overlay.js";
import { postBuildView } from "./post-build-view.js";
import { type RootContents, rootContents } from "./root-contents.js";
import { staticFiles } from "./static-files.js";
import { fill } from "./templates.js";

/** What a part of the tree is made from. */
interface Source {
  readonly resolved: Resolved;
  readonly contents: RootContents;
  readonly backend: BackendName;
  readonly symbols: Rendered["symbols"];
}

type Section = (source: Source) => readonly TreeFile[];

/** What only Buildroot reads: the external tree around the board directory, and the configuration of kernel and BusyBox. */
const buildrootSections: readonly Section[] = [staticFiles, readme, defconfig, kernelHash, makeVariables, configuration];

/** The board directory: what the root has, how it boots, and what the images are made of. */
const boardSections: readonly Section[] = [root, boot, assembly, overlay];

/**
 * Renders the tree that a backend builds an image from. The same input always gives the same bytes.
 *
 *     README  external.desc  Config.in  external.mk  package/     buildroot only: an ordinary external tree
 *     configs/  patches/  local.mk                                buildroot only: its configuration
 *     board/hal/kernel/  busybox.fragment                         buildroot only: the configuration of kernel and BusyBox
 *     board/hal/overlay/  *.table  post-build.sh                  what the root has
 *     board/hal/init  modules  cmdline                            how it boots
 *     board/hal/post-image.sh  genimage.cfg                       what the images are made of
 *
 * @throws HalError "input" for a value that its language cannot represent, and for an image that the backend cannot make
 */
export function render(resolved: Resolved, backend: BackendName): Rendered {
  const { layout } = resolved;
  if (layout.root.type === "ram" && (layout.rw !== undefined || layout.swap !== undefined)) {
    throw new HalError("input", `layout '${layout.name}' keeps the root in RAM and asks for a partition`, {
      at: nearestOrigin(resolved.origins, "/layout"),
      remedy: "remove rw and swap, or use root type verity",
    });
  }
  const contents = rootContents(resolved, backend);
  const symbols = backend === "buildroot" ? buildrootSymbols(resolved) : [];
  const sections = backend === "buildroot" ? [...buildrootSections, ...boardSections] : boardSections;
  const files = sections.flatMap((section) => section({ resolved, contents, backend, symbols }));
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), symbols };
}

function readme({ resolved }: Source): TreeFile[] {
  const { name, profile } = resolved;
  const view = {
    name,
    defconfig: defconfigName(name),
    version: profile.buildroot.version,
    disk: resolved.layout.root.type === "verity",
    initrd: initrdName(resolved.layout.root.type, resolved.layout.compression),
  };
  return [filled(resolved, "README", view)];
}

function defconfig({ resolved, symbols }: Source): TreeFile[] {
  return [text(`configs/${defconfigName(resolved.name)}`, defconfigText(resolved, symbols))];
}

/** Buildroot checks a custom kernel's hash only where it finds one (BR2_DOWNLOAD_FORCE_CHECK_HASHES makes that a must). */
function kernelHash({ resolved }: Source): TreeFile[] {
  const { version, sha256, tarball } = resolved.profile.kernel;
  if (sha256 === undefined) return [];
  const name = tarball === undefined ? `linux-${version}.tar.xz` : tarball.slice(tarball.lastIndexOf("/") + 1);
  return [text("patches/linux/linux.hash", `sha256  ${sha256}  ${name}\n`)];
}

/** The beginning of a package's make variables (Buildroot's UPPERCASE, support/misc/utils.mk). */
export function packageVariable(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]/g, "_").toUpperCase();
}

/** BR2_PACKAGE_OVERRIDE_FILE. Without it, SOURCE_DATE_EPOCH would be the date of the git repository that Buildroot is in. */
function makeVariables({ resolved }: Source): TreeFile[] {
  const { sourceDateEpoch, buildroot } = resolved.profile;
  const sources = Object.entries(buildroot.overrides).map(([name, directory]) => {
    const at = nearestOrigin(resolved.origins, `/buildroot/overrides/${name}`);
    return `${packageVariable(name)}_OVERRIDE_SRCDIR = ${makeValue(directory, at)}\n`;
  });
  const rule = "#".repeat(80);
  const head = `${rule}\n#\n# Variables that Buildroot reads before all packages\n#\n${rule}\n\n`;
  return [text("local.mk", `${head}export SOURCE_DATE_EPOCH := ${sourceDateEpoch}\n${sources.join("")}${resolved.localMk}`)];
}

function configuration({ resolved }: Source): TreeFile[] {
  return [
    ...resolved.kernelFragments.map((fragment) => text(`board/hal/kernel/${fragment.name}.config`, fragmentText(fragment))),
    filled(resolved, "board/hal/busybox.fragment", { busybox: busyboxOptions }),
  ];
}

function root({ resolved, contents, backend }: Source): TreeFile[] {
  return [
    filled(resolved, "board/hal/users.table", usersView(contents)),
    filled(resolved, "board/hal/permissions.table", permissionsView(contents)),
    script(filled(resolved, "board/hal/post-build.sh", postBuildView(resolved, contents, backend))),
  ];
}

function boot({ resolved, backend }: Source): TreeFile[] {
  const modules = Object.entries(modulesOf(resolved, backend)).flatMap(([when, names]: [string, readonly string[]]) =>
    names.map((name) => `${when} ${name}\n`),
  );
  return [
    script(filled(resolved, "board/hal/init", bootView(resolved, backend), resolved.layout.root.type)),
    text("board/hal/modules", modules.join("")),
    text("board/hal/cmdline", `${resolved.cmdline.join(" ")}\n`),
  ];
}

function assembly({ resolved, backend }: Source): TreeFile[] {
  const view = bootView(resolved, backend);
  const disk = resolved.partitions.length === 0 ? [] : [filled(resolved, "board/hal/genimage.cfg", view)];
  return [script(filled(resolved, "board/hal/post-image.sh", view, resolved.layout.root.type)), ...disk];
}

function overlay({ resolved, contents }: Source): TreeFile[] {
  return overlayOf(resolved, contents);
}

function filled(resolved: Resolved, path: string, view: object, variant?: string): TreeFile {
  const template = variant === undefined ? path : `${path.replace(/\.sh$/, "")}.${variant}`;
  return text(path, fill(template, view, nearestOrigin(resolved.origins, "")));
}

function script(file: TreeFile): TreeFile {
  return { ...file, mode: 0o755 };
}

function text(path: string, content: string): TreeFile {
  return { path, content: new TextEncoder().encode(content), mode: 0o644 };
}
