import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HalError } from "../../lib/errors.js";
import { makeInside } from "../../lib/links.js";
import { removeTree } from "../../lib/namespace.js";
import type { Report } from "../../lib/plan.js";
import { note } from "../../lib/terminal.js";
import type { Resolved } from "../../model/resolved.js";
import { modulesOf } from "../../render/modules.js";
import type { BackendInputs, BuildOptions, BuiltPackage, Prepared, Workspace } from "../backend.js";
import { type Cache, sweep } from "./cache.js";
import { makeImages } from "./images.js";
import { type Kernel, kernelTree, moduleFiles } from "./kernel.js";
import { type Lock, type LockedPackage, lacksSecurity, packagesDigest } from "./lock.js";
import { rootPackages, treeTools } from "./packages.js";
import { download } from "./pool.js";
import { rootKey, rootTree, type TreeOptions } from "./root.js";
import { aptOf, lockPackages } from "./solve.js";
import { makeTarget } from "./target.js";
import { toolsTree } from "./tools-tree.js";

interface Request {
  readonly resolved: Resolved;
  readonly options: BuildOptions;
  readonly cache: Cache;
}

/** The trees of a package set, which the cache keeps. */
export interface Trees {
  readonly workspace: Workspace;
  readonly lock: Lock;
  readonly rootDir: string;
  readonly hostDir: string;
  readonly kernel: Kernel;
  /** Relative to the kernel's module directory. */
  readonly modules: readonly string[];
}

/** The inputs that decide the bytes of an image, besides the rendered tree. */
export function inputsOf(lock: Lock, { profile }: Resolved): BackendInputs {
  return {
    suite: lock.suite,
    snapshot: lock.snapshot,
    root: rootKey(lock, profile.sourceDateEpoch),
    tools: packagesDigest(lock.tools),
    kernel: packagesDigest(lock.kernel),
  };
}

/** Makes the root tree and, in parallel, tools and kernel, or takes them from the cache. Missing packages are downloaded. */
export async function makeTrees(request: Request, workspace: Workspace, report: Report): Promise<Trees> {
  const { resolved, options, cache } = request;
  await sweep(cache);
  const lock = await lockPackages(resolved, cache, { ...options, update: false });
  if (lacksSecurity(lock)) note(`${lock.suite} without its security updates: the archives contain no ${lock.suite}-security`);
  const stop = new AbortController(); // the first failure stops the work in parallel to it
  const tree = treeOptions(request, workspace, report, AbortSignal.any([options.signal, stop.signal]));
  const makeHost = async () => {
    const hostDir = await toolsTree(lock, treeTools(resolved), tree);
    const kernel = await kernelTree(lock, tree);
    return { hostDir, kernel, modules: await moduleFiles(modulesOf(resolved, "debian"), kernel, hostDir, tree) };
  };
  const stopping = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      stop.abort();
      throw error;
    });
  const both = [stopping(rootTree(lock, rootPackages(resolved), resolved.profile.sourceDateEpoch, tree)), stopping(makeHost())] as const;
  await Promise.allSettled(both); // report an error only after all writing has ended
  const [rootDir, host] = await firstFailure(both);
  return { workspace, lock, rootDir, ...host };
}

function treeOptions({ resolved, options, cache }: Request, { log }: Workspace, report: Report, signal = options.signal): TreeOptions {
  const { offline } = options;
  const source = { cache, apt: () => aptOf(resolved, cache, { ...options, update: false }), offline, log, report, signal };
  let queue: Promise<unknown> = Promise.resolve(); // one download at a time, the root tree's first
  const fetch = (packages: readonly LockedPackage[]): Promise<void> => {
    const next = queue.then(() => download(packages, source));
    queue = next;
    return next;
  };
  return { cache, log, report, signal, fetch };
}

/** All results, or the error that came first. An interruption counts only when there is no other error. */
async function firstFailure<A, B>(works: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  const errors = (await Promise.allSettled(works)).flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  const cause = errors.find((error) => !(error instanceof HalError && error.kind === "interrupted")) ?? errors[0];
  if (cause !== undefined) throw cause;
  return Promise.all(works);
}

/** Makes TARGET_DIR: the root tree with modules, overlay, users and permissions. */
export async function makeTargetTree(request: Request, trees: Trees, report: Report): Promise<Prepared & Trees> {
  const { resolved } = request;
  const { workspace, lock, rootDir, hostDir, kernel, modules } = trees;
  const at = (name: string): Promise<string> => makeInside(workspace.workDir, join("debian", name));
  const buildDir = await buildDirFor(await at("build"), hostDir);
  const dirs = { targetDir: await at("target"), binariesDir: await at("images"), hostDir, buildDir };
  const input = {
    resolved,
    dirs,
    lists: await at("lists"),
    changes: await at("layers"),
    externalTree: workspace.externalTree,
    rootTree: rootDir,
    kernel,
    modules,
  };
  const layers = await makeTarget(input, treeOptions(request, workspace, report));
  return {
    ...trees,
    ...dirs,
    layers,
    packages: packagesOf(lock),
    inputs: inputsOf(lock, resolved),
    facts: { releases: lock.releases, kernelVersion: kernel.version },
    digests: [],
  };
}

/** Makes BINARIES_DIR: the kernel, and the root filesystem image of the layout. */
export async function makeRootImage(request: Request, state: Prepared & Trees, report: Report): Promise<Prepared> {
  await makeImages(request.resolved, state, state.kernel.image, treeOptions(request, state.workspace, report));
  return state;
}

/** BUILD_DIR is kept between builds with the same tools: other tools might make other bytes from the same input. */
async function buildDirFor(builds: string, hostDir: string): Promise<string> {
  const name = basename(dirname(hostDir)); // the entry of the tools tree
  for (const other of await readdir(builds)) if (other !== name) await removeTree(join(builds, other));
  return makeInside(builds, name);
}

/** The packages in the image. Packages of the tools tree are not in it. */
export function packagesOf(lock: Lock): readonly BuiltPackage[] {
  const row = ({ name, version, sha256, source }: LockedPackage): BuiltPackage => ({ name, version, sha256, source });
  return [...lock.root, ...lock.kernel].map(row).sort((a, b) => (a.name < b.name ? -1 : 1));
}
