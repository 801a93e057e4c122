import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { findSources, makeApt } from "../backends/debian/archive.js";
import { putInPlace } from "../backends/debian/cache.js";
import { sha256File } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import { nearestOrigin } from "../load/tree.js";
import { type FirmwarePackage, firmwarePackages } from "../model/firmware-packages.js";
import type { Resolved } from "../model/resolved.js";

/** The firmware that an image is measured with. */
export interface FirmwareFile {
  readonly path: string;
  readonly sha256: string;
  /** Version of the Debian package that it came from. */
  readonly packageVersion?: string;
  readonly vars?: { readonly path: string; readonly sha256: string };
}

export interface FirmwareOptions {
  readonly cacheDir: string;
  readonly offline: boolean;
  /** Look for a newer version of a package that the profile does not pin. */
  readonly update: boolean;
  readonly signal: AbortSignal;
}

/**
 * The firmware that a profile names, with its digest: a file, or the file of a Debian package, fetched with an
 * apt of its own whose index is signed by Debian. A file of the launching host that is not here is no error:
 * what depends on it is then listed as not predicted.
 */
export async function findFirmware(resolved: Resolved, options: FirmwareOptions): Promise<FirmwareFile | undefined> {
  const { firmware, igvm } = resolved.profile.launch;
  if (igvm === undefined && firmware?.package !== undefined) return fetchFirmware(resolved, firmware.package, options);
  return firmwareFile(resolved);
}

/** The firmware that a profile names as a file, where that file is on this machine. */
export async function firmwareFile(resolved: Resolved): Promise<FirmwareFile | undefined> {
  const { firmware, igvm } = resolved.profile.launch;
  const path = igvm ?? firmware?.path;
  const code = path === undefined ? undefined : await present(path);
  const vars = igvm !== undefined || firmware?.vars === undefined ? undefined : await present(firmware.vars);
  return code === undefined ? undefined : { ...code, ...(vars === undefined ? {} : { vars }) };
}

async function present(path: string): Promise<FirmwareFile | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? { path, sha256: await sha256File(path) } : undefined;
}

async function fetchFirmware(
  resolved: Resolved,
  name: FirmwarePackage,
  { cacheDir, offline, update, signal }: FirmwareOptions,
): Promise<FirmwareFile> {
  const settings = resolved.profile.launch.firmware ?? {};
  const { suite = firmwarePackages[name].suite } = settings;
  const home = join(cacheDir, "firmware", suite, name);
  const wanted = settings.version ?? (update ? undefined : await newestKept(home));
  if (wanted !== undefined) {
    const kept = join(home, wanted, firmwarePackages[name].path);
    if (existsSync(kept)) return { path: kept, sha256: await sha256File(kept), packageVersion: wanted };
  }
  if (offline) {
    throw new HalError("command", `the firmware package ${name} is not in the cache, and --offline forbids to download it`, {
      at: nearestOrigin(resolved.origins, "/launch/firmware"),
      remedy: "build once with a network, or name a file: launch.firmware: {path: …}",
    });
  }
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(join(home, ".new-"));
  try {
    const sources = await findSources({ ...resolved.profile.debian, suite }, work);
    const apt = await makeApt(join(work, "apt"), sources, false);
    const refused = (cause: unknown) => profilesMistake(cause, resolved, name, suite, apt.env);
    await runCommand({ tool: "apt-get", args: ["--quiet", "update"], env: apt.env }, { signal }).catch(refused);
    const tree = join(work, "tree");
    /** Unpacks one package into the tree, and returns its version. */
    const unpack = async (which: string): Promise<string> => {
      await runCommand({ tool: "apt-get", args: ["--quiet", "download", which], env: apt.env, cwd: work }, { signal }).catch(refused);
      const deb = (await readdir(work)).find((entry) => entry.startsWith(`${which.split("=")[0]}_`) && entry.endsWith(".deb"));
      if (deb === undefined) throw new HalError("command", `apt-get downloaded no ${which}`);
      await runCommand({ tool: "dpkg-deb", args: ["--extract", join(work, deb), tree] });
      return (await runCommand({ tool: "dpkg-deb", args: ["--field", join(work, deb), "Version"] })).stdout.trim();
    };
    const version = await unpack(settings.version === undefined ? name : `${name}=${settings.version}`);
    const has = (): boolean => existsSync(join(tree, firmwarePackages[name].path));
    // From 2026.08 on, ovmf itself is empty: its files moved to a package of their own.
    if (!has() && name === "ovmf") await unpack(`ovmf-generic=${version}`);
    if (!has()) {
      throw new HalError("input", `${name} ${version} has no ${firmwarePackages[name].path}`, {
        at: nearestOrigin(resolved.origins, "/launch/firmware"),
        remedy: "choose another version or suite",
      });
    }
    const kept = join(home, version);
    // What is there stays: another build may be reading it.
    if (!existsSync(join(kept, firmwarePackages[name].path))) {
      await rm(kept, { recursive: true, force: true });
      await putInPlace(tree, kept);
    }
    const path = join(kept, firmwarePackages[name].path);
    return { path, sha256: await sha256File(path), packageVersion: version };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What apt says of a suite, a package or a version that the archive does not have. */
const unknownToApt = /^E: (Version '.*' for '.*' was not found|Unable to locate package |The repository '.*' does not have a Release file)/;

/** A suite, package or version that is not there is the profile's mistake, and not apt's; every other error stays what it is. */
async function profilesMistake(
  error: unknown,
  { origins, profile }: Resolved,
  name: FirmwarePackage,
  suite: string,
  env: Readonly<Record<string, string>>,
): Promise<never> {
  const said = error instanceof HalError ? error.details.find((line) => unknownToApt.test(line)) : undefined;
  if (said === undefined) throw error;
  const { stdout } = await runCommand({ tool: "apt-cache", args: ["madison", name], env }, { allowFailure: true });
  const versions = [...stdout.matchAll(/^ *\S+ \| (\S+) \|/gm)].map(([, version]) => version);
  const version = profile.launch.firmware?.version;
  throw new HalError("input", `suite ${suite} has no ${name}${version === undefined ? "" : ` ${version}`}: ${said.slice("E: ".length)}`, {
    at: nearestOrigin(origins, "/launch/firmware"),
    remedy: versions.length > 0 ? `it has ${versions.join(", ")}` : `launch.firmware.suite: ${firmwarePackages[name].suite}`,
    cause: error,
  });
}

/** The version that an earlier build fetched: a profile without a version keeps the one it has until `--update`. */
async function newestKept(home: string): Promise<string | undefined> {
  let newest: string | undefined;
  for (const version of await readdir(home).catch(() => [])) {
    if (version.startsWith(".")) continue;
    if (newest === undefined || (await isNewer(version, newest))) newest = version;
  }
  return newest;
}

/** Debian's order of versions (deb-version(7)): 2025.02-10 is newer than 2025.02-8. */
async function isNewer(version: string, other: string): Promise<boolean> {
  const command = { tool: "dpkg", args: ["--compare-versions", version, "gt", other] };
  return (await runCommand(command, { allowFailure: true })).exitCode === 0;
}
