import { HalError, type Location } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved, TreeFile } from "../model/resolved.js";
import { baseFiles } from "./base-files.js";
import { writtenPaths } from "./post-build-view.js";
import type { RootContents } from "./root-contents.js";

/**
 * The rootfs overlay: hal's own files, then overlays, units and files of features and profile. A later one replaces an earlier one.
 * @throws HalError "input" where a file stands in the place of a directory, or a link at a path that hal writes
 */
export function overlayOf(resolved: Resolved, contents: RootContents): TreeFile[] {
  const { overlayFiles, units, files } = contents;
  refuseLinksAtWrittenPaths(resolved, contents);
  const all: TreeFile[] = [
    ...baseFiles(resolved, contents),
    ...overlayFiles,
    ...units.map(({ name, content }) => ({ path: `etc/systemd/system/${name}`, content: new TextEncoder().encode(content), mode: 0o644 })),
    ...files.map(({ path, content, mode, link }): TreeFile => {
      const inside = path.slice(1);
      if (link !== undefined) return { path: inside, content: new Uint8Array(), mode: 0o777, link };
      // permissions.table sets the mode itself: rsync and a git checkout keep no other modes than these.
      return { path: inside, content, mode: mode & 0o111 ? 0o755 : 0o644 };
    }),
  ];
  const byPath = new Map(all.map((file) => [file.path, file]));
  for (const path of byPath.keys()) {
    for (let parent = path; parent.includes("/"); ) {
      parent = parent.slice(0, parent.lastIndexOf("/"));
      if (!byPath.has(parent)) continue;
      const at = files.find((file) => [`/${parent}`, `/${path}`].includes(file.path))?.at;
      throw new HalError("input", `the image cannot have both /${parent} and /${path}`, {
        at: at ?? nearestOrigin(resolved.origins, "/overlays"),
      });
    }
  }
  return [...byPath.values()].map(({ from: _, ...file }) => ({ ...file, path: `board/hal/overlay/${file.path}` }));
}

/**
 * A link at a path that hal writes, or above it, would lead hal to another file. At a mount point of the layout, it
 * would lead the mount to another directory.
 */
function refuseLinksAtWrittenPaths(resolved: Resolved, contents: RootContents): void {
  const written = writtenPaths(resolved, contents);
  const refuse = (path: string, link: string | undefined, at: Location): void => {
    const writes = written.find((other) => other.startsWith(`${path}/`) || (link !== undefined && other === path));
    if (writes === undefined) return;
    const message = `${path} is a ${link === undefined ? "file" : `link to ${link}`}, and hal writes ${writes} in the image`;
    throw new HalError("input", message, { at, remedy: "remove it, or use another name" });
  };
  for (const { path, link, from = path } of contents.overlayFiles) refuse(`/${path}`, link, { file: from });
  for (const { path, link, at } of contents.files) refuse(path, link, at);
}
