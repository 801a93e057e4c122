import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { halRoot } from "../lib/paths.js";
import type { TreeFile } from "../model/resolved.js";

/** The part of the external tree that is the same for every image: its description and hal's own packages. */
export function staticFiles(): TreeFile[] {
  return filesBelow(join(halRoot, "buildroot-external"), "");
}

/** The symbols that hal's own packages add to Buildroot. */
export function externalSymbols(): ReadonlySet<string> {
  const configs = staticFiles().filter(({ path }) => /^package\/[^/]+\/Config\.in$/.test(path));
  const text = configs.map(({ content }) => new TextDecoder().decode(content)).join("");
  return new Set([...text.matchAll(/^config (BR2_\w+)$/gm)].map((match) => match[1] ?? ""));
}

function filesBelow(base: string, directory: string): TreeFile[] {
  return readdirSync(join(base, directory), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(base, path) : [{ path, content: readFileSync(join(base, path)), mode: 0o644 }];
    });
}
