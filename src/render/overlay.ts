import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved, TreeFile } from "../model/resolved.js";
import { baseFiles } from "./base-files.js";
import type { RootContents } from "./root-contents.js";

/**
 * The rootfs overlay: hal's own files, then overlays, units and files of features and profile. A later one replaces an earlier one.
 * @throws HalError "input" where a file stands in the place of a directory
 */
export function overlayOf(resolved: Resolved, contents: RootContents): TreeFile[] {
  const { overlayFiles, units, files } = contents;
  const all = [
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
  return [...byPath.values()].map((file) => ({ ...file, path: `board/hal/overlay/${file.path}` }));
}
