import { rootPackages } from "../backends/debian/packages.js";
import { formatConfigLine } from "../kconfig/dotconfig.js";
import { HalError } from "../lib/errors.js";
import { makeValue } from "../lib/escape.js";
import type { Rendered, RenderedFile, Resolved } from "../model/resolved.js";
import { permissionsView, usersView } from "./accounts.js";
import { buildrootSymbols } from "./buildroot-symbols.js";
import { busyboxOptions } from "./busybox.js";
import { modulesOf } from "./modules.js";
import { overlayOf } from "./overlay.js";
import { rootView } from "./root-view.js";
import { staticFiles } from "./static.js";
import { fill } from "./templates.js";
import { bootView, originOf } from "./view.js";

/** One part of the external tree. */
type Section = (resolved: Resolved) => readonly RenderedFile[];

/**
 * The external tree of one image, in the order a reader would look at it:
 *
 *     external.desc  Config.in  external.mk  package/     what makes it an external tree
 *     configs/  patches/  local.mk                        what Buildroot is told
 *     board/hal/kernel/  busybox.fragment                 what is compiled in
 *     board/hal/overlay/  *.table  post-build.sh          what the root has
 *     board/hal/init  modules  cmdline                    how it boots
 *     board/hal/post-image.sh  genimage.cfg               what the images are made of
 */
const sections: readonly Section[] = [staticFiles, defconfig, kernelHash, makeVariables, kernelFragments, root, boot, assembly, overlayOf];

/**
 * Renders the external tree: the same input always gives the same bytes.
 * @throws HalError "input" for a value that the language it lands in cannot represent
 */
export function render(resolved: Resolved): Rendered {
  const { layout } = resolved;
  if (layout.root.type === "ram" && (layout.rw !== undefined || layout.swap !== undefined)) {
    throw new HalError("input", `layout '${layout.name}' keeps the root in RAM and asks for a partition`, {
      at: originOf(resolved, "/layout"),
      remedy: "remove rw and swap, or use root type verity",
    });
  }
  const files = new Map(sections.flatMap((section) => section(resolved)).map((file) => [file.path, file]));
  const symbols = resolved.profile.boot === "uki" ? [] : buildrootSymbols(resolved);
  return { files: [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)), symbols };
}

/** The defconfig of a profile, as `make` takes it. */
export function defconfigName(profile: string): string {
  return `hal_${profile.replaceAll("-", "_")}_defconfig`;
}

function defconfig(resolved: Resolved): RenderedFile[] {
  if (resolved.profile.boot === "uki") return [];
  const lines = buildrootSymbols(resolved).map(formatConfigLine);
  return [text(`configs/${defconfigName(resolved.name)}`, `${lines.join("\n")}\n`)];
}

/** Buildroot checks a custom kernel's hash only where it finds one (BR2_DOWNLOAD_FORCE_CHECK_HASHES makes that a must). */
function kernelHash({ profile }: Resolved): RenderedFile[] {
  const { version, sha256, tarball } = profile.kernel;
  if (sha256 === undefined) return [];
  const name = tarball === undefined ? `linux-${version}.tar.xz` : tarball.slice(tarball.lastIndexOf("/") + 1);
  return [text("patches/linux/linux.hash", `sha256  ${sha256}  ${name}\n`)];
}

/** What the make variables of a package begin with (Buildroot's UPPERCASE, support/misc/utils.mk). */
export function packageVariable(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]/g, "_").toUpperCase();
}

/** BR2_PACKAGE_OVERRIDE_FILE. Buildroot's own SOURCE_DATE_EPOCH would be the date of whatever git repository it lies in. */
function makeVariables(resolved: Resolved): RenderedFile[] {
  const { boot, sourceDateEpoch, buildroot } = resolved.profile;
  if (boot === "uki") return [];
  const sources = Object.entries(buildroot.overrides).map(([name, directory]) => {
    return `${packageVariable(name)}_OVERRIDE_SRCDIR = ${makeValue(directory, originOf(resolved, `/buildroot/overrides/${name}`))}\n`;
  });
  const rule = "#".repeat(80);
  const head = `${rule}\n#\n# What Buildroot reads before all packages\n#\n${rule}\n\n`;
  return [text("local.mk", `${head}export SOURCE_DATE_EPOCH := ${sourceDateEpoch}\n${sources.join("")}${resolved.localMk}`)];
}

function kernelFragments(resolved: Resolved): RenderedFile[] {
  return resolved.kernelFragments.map(({ name, requests }) =>
    text(`board/hal/kernel/${name}.config`, `${requests.map(formatConfigLine).join("\n")}\n`),
  );
}

function root(resolved: Resolved): RenderedFile[] {
  return [
    filled(resolved, "board/hal/busybox.fragment", { busybox: busyboxOptions }),
    filled(resolved, "board/hal/users.table", usersView(resolved)),
    filled(resolved, "board/hal/permissions.table", permissionsView(resolved)),
    text("board/hal/debian/packages", `${rootPackages(resolved).join("\n")}\n`),
    script(filled(resolved, "board/hal/post-build.sh", rootView(resolved))),
  ];
}

function boot(resolved: Resolved): RenderedFile[] {
  const modules = Object.entries(modulesOf(resolved)).flatMap(([when, names]: [string, readonly string[]]) =>
    names.map((name) => `${when} ${name}\n`),
  );
  return [
    script(filled(resolved, "board/hal/init", bootView(resolved), resolved.layout.root.type)),
    text("board/hal/modules", modules.join("")),
    text("board/hal/cmdline", `${resolved.cmdline.join(" ")}\n`),
  ];
}

function assembly(resolved: Resolved): RenderedFile[] {
  const disk = resolved.partitions.length === 0 ? [] : [filled(resolved, "board/hal/genimage.cfg", bootView(resolved))];
  return [script(filled(resolved, "board/hal/post-image.sh", bootView(resolved), resolved.layout.root.type)), ...disk];
}

function filled(resolved: Resolved, path: string, view: object, variant?: string): RenderedFile {
  const template = variant === undefined ? path : `${path.replace(/\.sh$/, "")}.${variant}`;
  return text(path, fill(template, view, originOf(resolved, "")));
}

function script(file: RenderedFile): RenderedFile {
  return { ...file, mode: 0o755 };
}

function text(path: string, content: string): RenderedFile {
  return { path, content: new TextEncoder().encode(content), mode: 0o644 };
}
