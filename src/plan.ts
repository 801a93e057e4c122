import { backends } from "./backends/table.js";
import { type BuildOptions, upToDate } from "./build.js";
import type { Resolved } from "./resolved.js";

/** What a build would do, before it does it. */
export interface Plan {
  readonly profile: string;
  readonly backend: string;
  readonly why: string;
  readonly steps: readonly string[];
}

/** The plan of one build; touches nothing. */
export async function planBuild(resolved: Resolved, options: BuildOptions): Promise<Plan> {
  const profile = resolved.name;
  const { backend } = options;
  if (await upToDate(resolved, options)) return { profile, backend, why: "up to date", steps: [] };
  return { profile, backend, why: `build with ${backend}`, steps: await backends[backend].plan(resolved, options) };
}
