import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { resolve as absolute, join } from "node:path";
import { refuseProfile } from "../backends/refusals.js";
import { HalError } from "../lib/errors.js";
import { note } from "../lib/terminal.js";
import { formatCommand } from "../lib/tools.js";
import { defconfigName } from "../render/defconfig.js";
import { render as renderTree } from "../render/render.js";
import { writeTree } from "../render/write-tree.js";
import { resolve } from "../resolve/resolve.js";

/** Writes the external tree of a profile into an empty directory, or updates a tree that hal rendered before. */
export async function render(reference: string, options: { output: string; set?: string[]; allowOutside?: boolean }): Promise<void> {
  const resolved = await resolve(reference, options);
  await refuseProfile.buildroot(resolved, {});
  const rendered = renderTree(resolved, "buildroot");
  const occupied = existsSync(options.output) && (await readdir(options.output)).length > 0;
  if (occupied && !existsSync(join(options.output, ".hal-rendered"))) {
    throw new HalError("input", "is not empty, and hal did not render it", {
      at: { file: options.output },
      remedy: "give another directory",
    });
  }
  await writeTree(rendered, options.output);
  note(`${rendered.files.length} files in ${options.output}`);
  const args = [`BR2_EXTERNAL=${absolute(options.output)}`, defconfigName(resolved.name)];
  note(`in a Buildroot tree: ${formatCommand({ tool: "make", args })}`);
}
