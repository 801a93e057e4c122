import type { BuildOptions } from "../backends/backend.js";
import { backends } from "../backends/index.js";
import { HalError } from "../lib/errors.js";
import type { Resolved } from "../model/resolved.js";
import { upToDate } from "./build.js";

/** What a build would do, before it does it. */
export interface Plan {
  readonly profile: string;
  readonly backend: string;
  readonly why: string;
  readonly steps: readonly string[];
}

/** The plan of one build: writes nothing, and asks no network. */
export async function planBuild(resolved: Resolved, options: BuildOptions): Promise<Plan> {
  const profile = resolved.name;
  const { backend } = options;
  const steps = await backends[backend].plan(resolved, options);
  if (await ifKnown(upToDate(resolved, { ...options, offline: true }))) return { profile, backend, why: "up to date", steps: [] };
  return { profile, backend, why: `build with ${backend}`, steps };
}

/** False where the build itself would first have to ask the network what it is made of. */
async function ifKnown(answer: Promise<boolean>): Promise<boolean> {
  return answer.catch((error: unknown) => {
    if (error instanceof HalError && error.kind === "command") return false;
    throw error;
  });
}
