import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { contractEnvironment, type Prepared } from "../backends/backend.js";
import { runOrExplain } from "../lib/failures.js";
import { inNamespace, removeTree } from "../lib/namespace.js";

export interface AssembleInput {
  readonly prepared: Prepared;
  /** The rendered external tree. */
  readonly externalTree: string;
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly log: string;
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Runs the rendered post-image.sh as Buildroot's make does: the root filesystem image becomes verity tree, initramfs
 * and disk image in BINARIES_DIR. It runs as root of a namespace, because files of TARGET_DIR belong to other users.
 */
export async function assemble({ prepared, externalTree, sourceDateEpoch, log, report, signal }: AssembleInput): Promise<void> {
  const script = join(externalTree, "board/hal/post-image.sh");
  await mkdir(prepared.buildDir, { recursive: true });
  const command = {
    tool: script,
    args: [prepared.binariesDir],
    env: contractEnvironment(prepared, sourceDateEpoch),
    cwd: prepared.buildDir,
  };
  // What its tools print is for the log: some complain of what is as it should be.
  report("hash tree, initramfs, disk");
  await runOrExplain(inNamespace(command, prepared.layers), "post-image.sh", { log, signal });
  await removeTree(prepared.targetDir); // parts of it belong to ids that the user's own rm cannot remove
}
