import type { BuildOptions } from "../../src/backends/backend.js";

/** What `hal build` asks for by default, but for what a test says. */
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
