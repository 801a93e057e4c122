import { sha256 } from "../../src/lib/digest.js";
import type { Manifest } from "../../src/model/generated.js";

/** The manifest of an image that does not matter, but for what a test says of it. */
export function manifestOf(said: Partial<Manifest> = {}): Manifest {
  return {
    schema: "hal.manifest/v1",
    profile: "dev",
    platform: "none",
    layout: "hardened",
    backend: "debian",
    debug: false,
    sourceDateEpoch: 0,
    omitted: [],
    hal: "0",
    inputs: { digest: sha256(""), tree: sha256(""), files: [], details: {} },
    packages: [],
    artifacts: [],
    ...said,
  };
}
