import { join } from "node:path";
import { contractEnvironment, type Prepared } from "../backends/backend.js";
import { targetSandbox } from "../backends/debian/sandbox.js";
import { files } from "../bundle/files.js";
import { runOrExplain } from "../lib/failures.js";
import { inSandbox, removeTree } from "../lib/namespace.js";
import type { Report } from "../lib/plan.js";
import { digestBeside } from "./digests.js";

/**
 * Runs the rendered post-image.sh as Buildroot's make does. The script makes hash tree, initramfs and disk image from
 * the root filesystem image in BINARIES_DIR. It runs as root of a namespace, because other users own files of
 * TARGET_DIR.
 * @param sourceDateEpoch seconds since 1970
 * @returns the input with the digest of the root, which is computed meanwhile
 */
export async function assemble(prepared: Prepared, sourceDateEpoch: number, report: Report, signal: AbortSignal): Promise<Prepared> {
  const { workspace, binariesDir, buildDir, targetDir } = prepared;
  const command = {
    tool: join(workspace.externalTree, "board/hal/post-image.sh"),
    args: [binariesDir],
    env: contractEnvironment(prepared, sourceDateEpoch),
    cwd: buildDir,
  };
  report("hash tree, initramfs, disk");
  // The output goes to the log only: some of the tools print harmless warnings.
  const work = runOrExplain(inSandbox(command, targetSandbox(prepared, [workspace.externalTree])), "post-image.sh", {
    log: workspace.log,
    signal,
  });
  const digests = await digestBeside(
    work.then(() => removeTree(targetDir)),
    binariesDir,
    files.root,
    signal,
  );
  return { ...prepared, digests };
}
