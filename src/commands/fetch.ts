import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { resolve as absolute, join } from "node:path";
import { buildrootDirs, makeDirs, profilePaths } from "../backends/buildroot/dirs.js";
import { makeCommand } from "../backends/buildroot/environment.js";
import { gateExternalTree } from "../backends/buildroot/gate.js";
import { runMake } from "../backends/buildroot/make.js";
import { buildrootTree } from "../backends/buildroot/source.js";
import { refuseWithoutSandbox } from "../lib/namespace.js";
import { makeDirectory } from "../lib/paths.js";
import { note } from "../lib/terminal.js";
import { render } from "../render/render.js";
import { writeTree } from "../render/write-tree.js";
import { resolve } from "../resolve/resolve.js";

interface Options {
  readonly profile: readonly string[];
  readonly output: string;
  readonly set: readonly string[];
  readonly allowOutside?: boolean;
  readonly buildroot?: string;
  readonly allowVersion?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Downloads every source archive that the builds of some profiles need into one directory, and checks the hashes.
 * `hal build --offline` finds them there with `--set buildroot.primarySite=file://DIR` or BR2_DL_DIR.
 */
export async function fetchSources(options: Options): Promise<void> {
  const { signal } = options;
  const downloads = absolute(options.output);
  await refuseWithoutSandbox("one", signal);
  await makeDirectory(downloads);
  for (const reference of options.profile) {
    const resolved = await resolve(reference, options);
    const tree = await buildrootTree(resolved, { ...options, offline: false });
    const work = await mkdtemp(join(tmpdir(), "hal-fetch-"));
    try {
      const external = join(work, "external");
      const rendered = render(resolved, "buildroot");
      await writeTree(rendered, external);
      const dirs = buildrootDirs(work, external, { read: profilePaths(resolved), downloads });
      await makeDirs(dirs);
      await gateExternalTree({ profile: resolved.name, symbols: rendered.symbols, tree, dirs, signal });
      // Beside the directory, because programs of the profile can write in it.
      const log = `${downloads}.log`;
      await runMake(makeCommand(tree, dirs, ["source"], { network: true }), { log, report: note, verbose: false, signal });
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }
  note(`${(await readdir(downloads)).length} entries in ${downloads}`);
}
