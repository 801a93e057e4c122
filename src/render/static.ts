import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { halRoot } from "../lib/paths.js";
import type { RenderedFile } from "../model/resolved.js";

/** What makes the tree an external tree, and hal's own packages: the same for every image. */
export function staticFiles(): RenderedFile[] {
  const files = walk(join(halRoot, "buildroot-external"), "");
  const packages = files.filter(({ path }) => /^package\/[^/]+\/Config\.in$/.test(path));
  const config = packages.map(({ path }) => `source "$BR2_EXTERNAL_HAL_PATH/${path}"\n`).join("");
  return [{ path: "Config.in", content: new TextEncoder().encode(config), mode: 0o644 }, ...files];
}

function walk(base: string, under: string): RenderedFile[] {
  return readdirSync(join(base, under), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = under === "" ? entry.name : `${under}/${entry.name}`;
      return entry.isDirectory() ? walk(base, path) : [{ path, content: new Uint8Array(readFileSync(join(base, path))), mode: 0o644 }];
    });
}
