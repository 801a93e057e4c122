import { existsSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, sha256, sha256File } from "../../lib/digest.js";
import { HalError } from "../../lib/errors.js";
import { ensureSpace, errorLines, runOrExplain } from "../../lib/failures.js";
import { runCommand } from "../../lib/tools.js";
import type { Resolved } from "../../model/resolved.js";
import { type Apt, findSources, makeApt, type Source, snapshotSource } from "./archive.js";
import { type Cache, withScratch, writeWhole } from "./cache.js";
import { type Lock, type LockedPackage, lockText, parseStanzas, readLock } from "./lock.js";
import { kernelPackage, rootPackages, toolPackages } from "./packages.js";

export interface SolveOptions {
  readonly offline: boolean;
  /** Ask the archive again instead of using the recorded package set. */
  readonly update: boolean;
  readonly signal: AbortSignal;
}

/** The maximum age of an index that is used again, so that the profiles of one command get the same versions. */
const INDEX_AGE_MS = 6 * 60 * 60 * 1000;

/** Disk space for a suite's index, compressed and in apt's own format. */
const INDEX_BYTES = 150e6;

const UPDATE_TIMEOUT_MS = 10 * 60 * 1000;

/** Debian's essential packages, which every root tree contains (Debian policy 3.8). */
const ESSENTIAL = "?and(?architecture(amd64),?essential)";

/** The inputs that decide a package set. Their digest is the name of the record. */
function requestOf(resolved: Resolved): Readonly<Record<string, unknown>> {
  const { suite, snapshot, mirror } = resolved.profile.debian;
  return {
    format: 1,
    suite,
    snapshot: snapshot ?? null,
    mirror: mirror ?? null,
    root: rootPackages(resolved),
    tools: toolPackages(resolved),
    kernel: kernelPackage(resolved.debianKernel),
  };
}

/** The record of a profile's package set. */
function lockFile(resolved: Resolved, cache: Cache): string {
  return join(cache.locks, `${sha256(canonicalJson(requestOf(resolved)))}.lock`);
}

/** The recorded package set, if there is one. */
export function recordedLock(resolved: Resolved, cache: Cache): Promise<Lock | undefined> {
  return readLock(lockFile(resolved, cache));
}

/** @throws HalError "command": no package set is recorded, and `--offline` forbids to ask the archive */
export function refuseSolving({ name }: Resolved): never {
  throw new HalError("command", `no package set is recorded for ${name}, and --offline forbids to ask the archive`, {
    remedy: "build it once without --offline",
  });
}

/**
 * The exact packages of an image. The recorded set is used, so the same profile gives the same image until `--update`.
 * Without a record, apt solves the set from the archive's signed index, and the set is recorded.
 * @throws HalError "input" for a package that the suite does not have, "command" when the archive cannot be reached
 */
export async function lockPackages(resolved: Resolved, cache: Cache, options: SolveOptions): Promise<Lock> {
  const recorded = options.update ? undefined : await recordedLock(resolved, cache);
  if (recorded !== undefined) return recorded;
  if (options.offline) refuseSolving(resolved);
  const apt = await aptOf(resolved, cache, options);
  const root = await solve(apt, [ESSENTIAL, ...rootPackages(resolved)], resolved, options); // not in parallel: the first run makes apt's cache
  const [tools, kernel] = await Promise.all([
    solve(apt, toolPackages(resolved), resolved, options),
    kernelPackages(apt, kernelPackage(resolved.debianKernel), options),
  ]);
  const lock: Lock = {
    format: 1,
    suite: resolved.profile.debian.suite,
    snapshot: resolved.profile.debian.snapshot ?? null,
    releases: await releases(apt),
    root,
    tools,
    kernel,
  };
  await writeWhole(cache, lockFile(resolved, cache), lockText(lock));
  return lock;
}

/** A private apt with the index of a profile's sources. */
export async function aptOf(resolved: Resolved, cache: Cache, options: SolveOptions): Promise<Apt> {
  const { snapshot, mirror } = resolved.profile.debian;
  const apt = await aptFor(resolved, cache, await withScratch(cache, (tmp) => findSources(resolved.profile.debian, tmp)));
  await update(apt, options);
  if (snapshot === undefined || mirror?.includes("@SNAPSHOTID@")) return apt;
  const pinned = await aptFor(resolved, cache, await snapshotSources(resolved, apt, snapshot));
  await update(pinned, options);
  return pinned;
}

function aptFor(resolved: Resolved, cache: Cache, sources: readonly Source[]): Promise<Apt> {
  return makeApt(join(cache.apt, sha256(canonicalJson(sources)).slice(0, 16)), sources, resolved.profile.debian.snapshot !== undefined);
}

async function snapshotSources(resolved: Resolved, apt: Apt, snapshot: string): Promise<readonly Source[]> {
  const text = await readFile(join(apt.dir, "sources.list"), "utf8");
  const sources = [...text.matchAll(/^deb \[[^\]]*\] (\S+) (\S+) main$/gm)].map(([, uri = "", suite = ""]) => ({ uri, suite }));
  const lists = (await readdir(join(apt.dir, "lists"))).filter((name) => name.endsWith("_InRelease"));
  const pinned = await Promise.all(
    sources.map(async (source) => {
      const list = lists.find((name) => name.endsWith(`_dists_${source.suite}_InRelease`));
      return list === undefined ? undefined : snapshotSource(source, await readFile(join(apt.dir, "lists", list), "utf8"), snapshot);
    }),
  );
  if (pinned.every((source) => source !== undefined)) return pinned;
  const at = resolved.origins.get("/debian/snapshot");
  throw new HalError("input", "the signed index of this archive contains no address of snapshots", {
    ...(at === undefined ? {} : { at }),
    remedy: "set debian.mirror to the address of a snapshot service, with @SNAPSHOTID@ for the time stamp",
  });
}

async function update(apt: Apt, options: SolveOptions): Promise<void> {
  const stamp = join(apt.dir, "updated");
  if (!options.update && (await isFresh(stamp)) && (await readFile(stamp, "utf8")) === (await indexDigest(apt, options.signal))) return;
  await ensureSpace(apt.dir, INDEX_BYTES, "reading the archive's index");
  // apt-get update fails when another apt-get holds the lock of the lists; flock(1) waits for it.
  const command = { tool: "flock", args: [join(apt.dir, "lock"), "apt-get", "update", "--error-on=any"], env: apt.env };
  await runOrExplain(command, "reading the Debian archive", {
    signal: options.signal,
    timeout: UPDATE_TIMEOUT_MS,
    remedy: "check the network and apt's proxy settings, or debian.suite and debian.mirror; with a warm cache, --offline needs no network",
  });
  await writeFile(stamp, await indexDigest(apt, options.signal));
}

async function isFresh(stamp: string): Promise<boolean> {
  return existsSync(stamp) && Date.now() - (await stat(stamp)).mtimeMs < INDEX_AGE_MS;
}

/** A digest of all index files of an apt. apt checks their signatures when it downloads them, and never again. */
async function indexDigest(apt: Apt, signal: AbortSignal): Promise<string> {
  const lists = join(apt.dir, "lists");
  const names = (await readdir(lists, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
  const lines: string[] = [];
  for (const name of names.sort()) lines.push(`${await sha256File(join(lists, name), { signal })} ${name}\n`);
  return sha256(lines.join(""));
}

/** Codename and date of each signed Release file of an apt. */
async function releases(apt: Apt): Promise<readonly string[]> {
  const lists = join(apt.dir, "lists");
  const names = (await readdir(lists)).filter((name) => name.endsWith("_InRelease"));
  const found = names.map(async (name) => {
    const text = await readFile(join(lists, name), "utf8");
    const field = (key: string): string => new RegExp(`^${key}: (.*)$`, "m").exec(text)?.[1] ?? "";
    return `${field("Codename")} ${field("Date")}`;
  });
  return (await Promise.all(found)).sort();
}

/** The packages that apt would install into an empty system, by name. */
async function solve(apt: Apt, names: readonly string[], resolved: Resolved, options: SolveOptions): Promise<readonly LockedPackage[]> {
  const command = { tool: "apt-get", args: ["install", "--print-uris", "-qq", "--yes", ...names], env: apt.env };
  const { exitCode, stdout, stderr } = await runCommand(command, { allowFailure: true, signal: options.signal });
  if (exitCode !== 0) throw unsolvable(stderr, stdout, resolved);
  const files = [...stdout.matchAll(/^'[^']*' ([^ _]+)_([^ _]+)_[^ _]+\.deb /gm)];
  return show(
    apt,
    files.map(([, name = "", version = ""]) => `${name}=${decodeURIComponent(version)}`),
    options,
  );
}

function unsolvable(stderr: string, stdout: string, resolved: Resolved): HalError {
  const { suite, packages } = resolved.profile.debian;
  const name = /Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate/
    .exec(stderr)
    ?.slice(1)
    .find((found) => found !== undefined);
  if (name === undefined)
    return new HalError("command", `apt finds no package set for ${resolved.name}`, {
      details: errorLines(`${stdout}\n${stderr}`),
    });
  const index = packages.indexOf(name);
  const at = resolved.origins.get(`/debian/packages/${index}`) ?? resolved.origins.get("/debian/packages");
  const feature = resolved.features.find((candidate) => candidate.debian.packages.includes(name))?.name;
  const by = index >= 0 || feature === undefined ? "" : `, which feature ${feature} needs`;
  return new HalError("input", `Debian ${suite} has no package '${name}'${by}`, {
    ...(at === undefined || index < 0 ? {} : { at }),
    remedy: "correct the name, choose another debian.suite, or ask the archive again with --update",
  });
}

async function show(apt: Apt, names: readonly string[], options: SolveOptions): Promise<readonly LockedPackage[]> {
  const { stdout } = await runOrExplain(
    { tool: "apt-cache", args: ["show", "--no-all-versions", ...names], env: apt.env },
    "reading the package index",
    { signal: options.signal },
  );
  return parseStanzas(stdout);
}

/** The packages that contain a kernel and its modules: the other dependencies of the metapackage are left out. */
async function kernelPackages(apt: Apt, meta: string, options: SolveOptions): Promise<readonly LockedPackage[]> {
  const found = new Map<string, LockedPackage>();
  const todo = [meta];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const [shown] = await show(apt, [name], options);
    if (shown === undefined || found.has(name)) continue;
    found.set(name, shown);
    const depends = /^Depends: (.*)$/m.exec(shown.stanza)?.[1] ?? "";
    todo.push(...depends.split(/, */).flatMap((term) => /^(linux-(?:image|binary|modules)-\S+)/.exec(term)?.[1] ?? []));
  }
  found.delete(meta);
  return [...found.values()];
}
