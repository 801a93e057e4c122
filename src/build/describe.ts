import { chmod, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOptions } from "../backends/backend.js";
import { writeDocument } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { describeLaunch } from "../launch/describe.js";
import { refuseFaultyLaunch } from "../launch/judge.js";
import type { FileDigest } from "../lib/digest.js";
import type { Launch } from "../model/generated.js";
import type { Resolved } from "../model/resolved.js";
import type { Collected } from "./collect.js";
import { digestAll } from "./digests.js";

/** Artifacts with their digests and launch metadata. */
export interface Described extends Collected {
  readonly images: readonly FileDigest[];
  readonly launch: Launch;
}

/**
 * Digests the artifacts and writes launch.json.
 * @throws HalError "input" for artifacts that cannot be launched
 */
export async function describe(
  collected: Collected,
  resolved: Resolved,
  { backend, signal }: Pick<BuildOptions, "backend" | "signal">,
): Promise<Described> {
  const { prepared, dir, cmdline, firmware } = collected;
  for (const name of await readdir(dir)) await chmod(join(dir, name), 0o644);
  const images = await digestAll(dir, prepared.digests, signal);
  const launch = describeLaunch(resolved, images, cmdline, { backend, ...(firmware === undefined ? {} : { firmware }) });
  // The build never writes what hal verify refuses.
  refuseFaultyLaunch(launch, join(dir, files.launch));
  await writeDocument(dir, "launch", launch);
  return { ...collected, images, launch };
}
