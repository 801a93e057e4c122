import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { HalError } from "../../lib/errors.js";
import { hostTools } from "../../lib/host-tools.js";
import { isRoot, refuseWithoutSandbox } from "../../lib/namespace.js";
import { cacheRoot } from "../../lib/paths.js";
import { Plan } from "../../lib/plan.js";
import { formatSize } from "../../lib/size.js";
import { requireTools } from "../../lib/tools.js";
import type { Resolved } from "../../model/resolved.js";
import type { Backend, BackendPlan, BuildRequest, Workspace } from "../backend.js";
import { keyring } from "./archive.js";
import { type Cache, cacheAt } from "./cache.js";
import { kernelDir } from "./kernel.js";
import type { Lock, LockedPackage } from "./lock.js";
import { treeTools } from "./packages.js";
import { missing, refuseDownload } from "./pool.js";
import { rootKey } from "./root.js";
import { lockPackages, recordedLock, refuseSolving } from "./solve.js";
import { inputsOf, makeRootImage, makeTargetTree, makeTrees, packagesOf } from "./steps.js";
import { toolsDir } from "./tools-tree.js";

/**
 * Kernel and root tree from Debian packages.
 *
 *   solve ──lock──▶ download ─▶ root tree (mmdebstrap) ──────────────┐
 *                      └──────▶ tools tree ─▶ kernel and its modules ─┴▶ TARGET_DIR ─▶ root filesystem image
 *
 * The cache keeps every result up to TARGET_DIR under a digest of its contents.
 */
export const debian: Backend = { plan, assembles: false, hostAml: "runs" };

/** cpio comes from the tools tree. */
const tools = hostTools.filter(({ tool, stage }) => stage === "debian" && tool !== "cpio").map(({ tool }) => tool);

/** Refuses an ordinary user without subordinate ids: the image's other users need them (subuid(5)). */
async function refuseMissingIds(): Promise<void> {
  if (isRoot) return;
  const { username, uid } = userInfo();
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const lines = (await readFile(file, "utf8").catch(() => "")).split("\n");
    if (lines.some((line) => line.startsWith(`${username}:`) || line.startsWith(`${uid}:`))) continue;
    throw new HalError("tool", `${username} has no subordinate ids in ${file}`, {
      remedy: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}; or build as root`,
    });
  }
}

async function plan({ resolved, options }: BuildRequest): Promise<BackendPlan> {
  const cache = cacheAt(cacheRoot());
  const request = { resolved, options, cache };
  const recorded = options.update ? undefined : await recordedLock(resolved, cache);
  const trees = recorded === undefined ? undefined : uncachedTrees(recorded, resolved, cache);
  const downloads = await missing(cache, trees ?? []);
  const steps = Plan.begin<Workspace>()
    .addIf(recorded === undefined, {
      title: `Solve the package set of Debian ${resolved.profile.debian.suite}`,
      refusals: options.offline ? [() => refuseSolving(resolved)] : [],
      run: async (workspace) => {
        await lockPackages(resolved, cache, options);
        return workspace;
      },
    })
    .add({
      title: titleOf(trees, downloads),
      refusals: [
        () => requireTools(tools),
        () => void keyring(),
        refuseMissingIds,
        () => refuseWithoutSandbox("many", options.signal),
        ...(options.offline && downloads.length > 0 ? [() => refuseDownload(downloads)] : []),
      ],
      run: (workspace, report) => makeTrees(request, workspace, report),
      result: ({ lock }) => `${lock.root.length} packages`,
    })
    .add({
      title: "Add modules, overlay, users and permissions",
      run: (state, report) => makeTargetTree(request, state, report),
    })
    .add({
      title: "Make the root filesystem",
      run: (state, report) => makeRootImage(request, state, report),
    });
  return {
    inputs: async () => recorded && inputsOf(recorded, resolved),
    packages: recorded && packagesOf(recorded),
    stops: false,
    steps,
  };
}

/** The packages of the trees that the cache lacks. */
function uncachedTrees(lock: Lock, resolved: Resolved, cache: Cache): readonly LockedPackage[] {
  const made = {
    root: join(cache.root, rootKey(lock, resolved.profile.sourceDateEpoch)),
    tools: toolsDir(lock, treeTools(resolved), cache),
    kernel: kernelDir(lock, cache),
  };
  return (["root", "tools", "kernel"] as const).flatMap((tree) => (existsSync(made[tree]) ? [] : lock[tree]));
}

function titleOf(trees: readonly LockedPackage[] | undefined, downloads: readonly LockedPackage[]): string {
  if (trees === undefined) return "Download packages, make root tree, tools and kernel";
  if (trees.length === 0) return "Take root tree, tools and kernel from the cache";
  if (downloads.length === 0) return "Make root tree, tools and kernel";
  const bytes = downloads.reduce((sum, { size }) => sum + size, 0);
  return `Download ${downloads.length} packages (${formatSize(bytes)}), make root tree, tools and kernel`;
}
