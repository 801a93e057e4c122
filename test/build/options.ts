import type { BuildOptions } from "../../src/backends/backend.js";

/** The default options of `hal build`, with changes. */
export function buildOptions(said: Partial<BuildOptions> & Pick<BuildOptions, "backend" | "out">): BuildOptions {
  return {
    jobs: 1,
    offline: false,
    update: false,
    release: false,
    verbose: false,
    signal: new AbortController().signal,
    eifSigner: undefined,
    buildroot: {},
    ...said,
  };
}
