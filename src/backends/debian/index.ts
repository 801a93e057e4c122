import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { basename, join } from "node:path";
import { HalError } from "../../lib/errors.js";
import { fullDisk } from "../../lib/failures.js";
import { hostTools } from "../../lib/host-tools.js";
import { isRoot, removeTree } from "../../lib/namespace.js";
import { cacheRoot } from "../../lib/paths.js";
import { formatSize } from "../../lib/size.js";
import { note } from "../../lib/terminal.js";
import { findTool, missingTool } from "../../lib/tools.js";
import { nearestOrigin } from "../../load/tree.js";
import type { Rendered, Resolved } from "../../model/resolved.js";
import { modulesOf } from "../../render/modules.js";
import type { Backend, BuiltPackage, Prepared, PrepareInput } from "../backend.js";
import { keyring } from "./archive.js";
import { cacheAt, sweep } from "./cache.js";
import { makeImages } from "./images.js";
import { kernelTree, moduleFiles } from "./kernel.js";
import { type Lock, type LockedPackage, lacksSecurity, packagesDigest } from "./lock.js";
import { rootPackages, treeTools } from "./packages.js";
import { download, missing } from "./pool.js";
import { rootKey, rootTree, type TreeOptions } from "./root.js";
import { aptOf, lockPackages, recordedLock } from "./solve.js";
import { makeTarget } from "./target.js";
import { toolsTree } from "./tools-tree.js";

/**
 * Kernel and root tree from Debian packages.
 *
 *   solve ──lock──▶ download ─▶ root tree (mmdebstrap) ──────────────┐
 *                      └──────▶ tools tree ─▶ kernel and its modules ─┴▶ TARGET_DIR ─▶ root filesystem image
 *
 * Everything up to the last two is cached by content.
 */
export const debian: Backend = { check, inputs, plan, prepare };

async function check(resolved: Resolved): Promise<void> {
  refuseUnavailable(resolved);
  for (const { tool, stage } of hostTools) {
    const needed = stage === "debian" && (tool !== "newuidmap" || !isRoot) && tool !== "cpio";
    if (needed && (await findTool(tool)) === undefined) throw missingTool(tool);
  }
  keyring();
  if (!isRoot) await checkSubordinateIds();
}

/** What Debian cannot provide is left out where the profile says so, and nowhere else. */
function refuseUnavailable({ features, debianOmitted, origins }: Resolved): void {
  for (const [index, { name, debian }] of features.entries()) {
    if (debian.unavailable === undefined || debianOmitted.includes(name)) continue;
    throw new HalError("input", `the debian backend cannot provide feature '${name}': ${debian.unavailable}`, {
      at: nearestOrigin(origins, `/features/${index}`),
      remedy: `leave it out with backends: {debian: {omit: [${name}]}}, or use --backend buildroot`,
    });
  }
}

/** A user's namespace needs ids for the image's other users (subuid(5)). */
async function checkSubordinateIds(): Promise<void> {
  const { username, uid } = userInfo();
  for (const file of ["/etc/subuid", "/etc/subgid"]) {
    const lines = (await readFile(file, "utf8").catch(() => "")).split("\n");
    if (lines.some((line) => line.startsWith(`${username}:`) || line.startsWith(`${uid}:`))) continue;
    throw new HalError("tool", `${username} has no subordinate ids in ${file}`, {
      remedy: `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}; or build as root`,
    });
  }
}

async function inputs(resolved: Resolved, _: Rendered, options: PrepareInput["options"]): Promise<Readonly<Record<string, unknown>>> {
  return details(await lockPackages(resolved, cacheAt(cacheRoot()), options), resolved);
}

function details(lock: Lock, resolved: Resolved): Readonly<Record<string, unknown>> {
  return {
    suite: lock.suite,
    snapshot: lock.snapshot,
    root: rootKey(lock, resolved.profile.sourceDateEpoch),
    tools: packagesDigest(lock.tools),
    kernel: packagesDigest(lock.kernel),
  };
}

async function plan(resolved: Resolved): Promise<readonly string[]> {
  refuseUnavailable(resolved);
  const cache = cacheAt(cacheRoot());
  const lock = await recordedLock(resolved, cache);
  if (lock === undefined)
    return [
      "solve the package set and record it",
      "download packages",
      "make the root tree",
      "unpack tools and kernel",
      "apply the overlay",
      "make the root filesystem",
      "assemble",
    ];
  const wanted = missing(cache, [...lock.root, ...lock.tools, ...lock.kernel]);
  const rootMade = existsSync(join(cache.root, rootKey(lock, resolved.profile.sourceDateEpoch)));
  return [
    ...(wanted.length === 0 ? [] : [`download ${wanted.length} packages, ${formatSize(wanted.reduce((sum, { size }) => sum + size, 0))}`]),
    rootMade ? "take the root tree from the cache" : `make the root tree of ${lock.root.length} packages`,
    "apply the overlay",
    "make the root filesystem",
    "assemble",
  ];
}

async function prepare(input: PrepareInput): Promise<Prepared> {
  try {
    return await prepareTrees(input);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw fullDisk(path ?? "writing the build's files", []);
    throw error;
  }
}

async function prepareTrees({ resolved, externalTree, workDir, cacheDir, log, report, options }: PrepareInput): Promise<Prepared> {
  const cache = cacheAt(cacheDir);
  await sweep(cache);
  const lock = await lockPackages(resolved, cache, { ...options, update: false });
  if (lacksSecurity(lock)) note(`${lock.suite} without its security updates: the archives that were asked have no ${lock.suite}-security`);
  const stop = new AbortController(); // the first failure stops what runs beside it
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const source = { cache, apt: () => aptOf(resolved, cache, { ...options, update: false }), offline: options.offline, log, report, signal };
  let queue: Promise<unknown> = Promise.resolve(); // downloads follow each other, the root tree's first
  const fetch = (packages: readonly LockedPackage[]): Promise<void> => {
    const next = queue.then(() => download(packages, source));
    queue = next;
    return next;
  };
  const tree: TreeOptions = { cache, log, report, signal, fetch };

  const makeHost = async () => {
    const hostDir = await toolsTree(lock, treeTools(resolved), tree);
    const kernel = await kernelTree(lock, tree);
    return { hostDir, kernel, modules: await moduleFiles(modulesOf(resolved), kernel, hostDir, tree) };
  };
  const stopping = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      stop.abort();
      throw error;
    });
  const both = [stopping(rootTree(lock, rootPackages(resolved), resolved.profile.sourceDateEpoch, tree)), stopping(makeHost())] as const;
  await Promise.allSettled(both); // nothing may still be writing when an error is reported
  const [rootDir, { hostDir, kernel, modules }] = await firstFailure(both);

  const at = (name: string): string => join(workDir, "debian", name);
  const dirs = { targetDir: at("target"), binariesDir: at("images"), hostDir, buildDir: await buildDirFor(at("build"), hostDir) };
  const layers = await makeTarget({ resolved, dirs, externalTree, rootTree: rootDir, kernel, modules }, tree);
  await makeImages(resolved, { ...dirs, layers }, kernel.image, tree);
  return {
    ...dirs,
    layers,
    packages: built(lock),
    details: { ...details(lock, resolved), releases: lock.releases, kernelVersion: kernel.version },
    assembled: false,
  };
}

/** BUILD_DIR is kept between builds with the same tools: other tools might make other bytes of the same input. */
async function buildDirFor(builds: string, hostDir: string): Promise<string> {
  const name = basename(hostDir);
  await mkdir(builds, { recursive: true });
  for (const other of await readdir(builds)) if (other !== name) await removeTree(join(builds, other));
  return join(builds, name);
}

/** All results, or the error that came first: one that a stop caused is never it, unless the user asked for it. */
async function firstFailure<A, B>(works: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  const errors = (await Promise.allSettled(works)).flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  const cause = errors.find((error) => !(error instanceof HalError && error.kind === "interrupted")) ?? errors[0];
  if (cause !== undefined) throw cause;
  return Promise.all(works);
}

/** What is in the image; tools only shape it. */
function built(lock: Lock): readonly BuiltPackage[] {
  const row = ({ name, version, sha256, source }: LockedPackage): BuiltPackage => ({ name, version, sha256, source });
  return [...lock.root, ...lock.kernel].map(row).sort((a, b) => (a.name < b.name ? -1 : 1));
}
