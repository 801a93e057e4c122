import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { HalError } from "../lib/errors.js";
import type { RenderedFile, Resolved } from "../model/resolved.js";
import { own } from "./base-files.js";
import { originOf } from "./view.js";

/** Rendered files by path: what is set later replaces what was there. */
type Files = Map<string, RenderedFile>;

/**
 * The rootfs overlay: hal's own files, then overlays, units and files of features and profile, in order.
 * Modes are reduced to 0644 and 0755 (`files` has other modes), because a git checkout knows no others.
 */
export function overlayOf(resolved: Resolved): RenderedFile[] {
  const files: Files = new Map();
  for (const file of own(resolved)) add(files, file);
  for (const directory of resolved.overlays) addTree(files, directory, "");
  for (const unit of resolved.units) {
    add(files, { path: `etc/systemd/system/${unit.name}`, content: new TextEncoder().encode(unit.content), mode: 0o644 });
  }
  for (const { path, content, mode, link } of resolved.files) {
    add(files, link === undefined ? { path: path.slice(1), content, mode: mode & 0o111 ? 0o755 : 0o644 } : linkTo(link, path.slice(1)));
  }
  const paths = new Set(files.keys());
  for (const path of paths) {
    for (let parent = path; parent.includes("/"); ) {
      parent = parent.slice(0, parent.lastIndexOf("/"));
      if (paths.has(parent))
        throw new HalError("input", `the image cannot have both /${parent} and /${path}`, {
          at: resolved.files.find((file) => [`/${parent}`, `/${path}`].includes(file.path))?.at ?? originOf(resolved, "/overlays"),
        });
    }
  }
  return [...files.values()].map((file) => ({ ...file, path: `board/hal/overlay/${file.path}` }));
}

function add(files: Files, file: RenderedFile): void {
  files.set(file.path, file);
}

function linkTo(link: string, path: string): RenderedFile {
  return { path, content: new Uint8Array(), mode: 0o777, link };
}

function addTree(files: Files, root: string, under: string): void {
  const directory = join(root, under);
  for (const name of readdirSync(directory).sort()) {
    const path = under === "" ? name : `${under}/${name}`;
    const place = join(root, path);
    const info = lstatSync(place);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: such names break every list of files
    if (/[\u0000-\u001f\u007f]/.test(name))
      throw new HalError("input", "this file's name has a control character", { at: { file: place } });
    if (info.isDirectory()) addTree(files, root, path);
    else if (info.isSymbolicLink()) add(files, linkTo(readlinkSync(place), path));
    else if (info.isFile()) add(files, { path, content: new Uint8Array(readFileSync(place)), mode: info.mode & 0o100 ? 0o755 : 0o644 });
    else throw new HalError("input", "an overlay can have only files, directories and symbolic links", { at: { file: place } });
  }
}
