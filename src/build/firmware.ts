import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { findSources, makeApt } from "../backends/debian/archive.js";
import { cacheAt } from "../backends/debian/cache.js";
import { isBlankStore } from "../codecs/variable-store.js";
import { sha256File } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { inSandbox } from "../lib/namespace.js";
import { note } from "../lib/terminal.js";
import { runCommand } from "../lib/tools.js";
import { nearestOrigin } from "../load/tree.js";
import { type FirmwarePackage, firmwarePackages } from "../model/firmware-packages.js";
import type { Resolved } from "../model/resolved.js";

/** The firmware that an image is measured with. */
export interface FirmwareFile {
  readonly kind: "fd" | "igvm";
  readonly path: string;
  readonly sha256: string;
  /** Version of the Debian package that contains it. */
  readonly packageVersion?: string;
  readonly vars?: { readonly path: string; readonly sha256: string };
}

export interface FirmwareOptions {
  readonly cacheDir: string;
  readonly offline: boolean;
  /** Ask the archive for a newer version of a package that the profile does not pin. */
  readonly update: boolean;
  readonly signal: AbortSignal;
}

/**
 * The firmware that a profile names, with its digest: a file, or a file of a Debian package. The package is downloaded by a
 * private apt, whose index Debian signs. A file of the launching host may be missing on this machine; the registers that
 * depend on it are then listed as not predicted.
 */
export async function findFirmware(resolved: Resolved, options: FirmwareOptions): Promise<FirmwareFile | undefined> {
  const wanted = packageOf(resolved, options.cacheDir);
  if (wanted === undefined) return firmwareFile(resolved);
  return (await cachedFirmware(wanted, options.update, options.signal)) ?? fetchFirmware(resolved, wanted, options);
}

/** The firmware package that a build has to download; undefined when the profile names none or the cache contains it. */
export async function firmwareToFetch(
  resolved: Resolved,
  { cacheDir, update }: Pick<FirmwareOptions, "cacheDir" | "update">,
): Promise<PackagedFirmware | undefined> {
  const wanted = packageOf(resolved, cacheDir);
  return wanted === undefined || (await cachedFirmware(wanted, update)) !== undefined ? undefined : wanted;
}

/** The firmware that a profile names as a file, when that file exists on this machine. */
export async function firmwareFile(resolved: Resolved): Promise<FirmwareFile | undefined> {
  const { firmware, igvm } = resolved.profile.launch;
  const path = igvm ?? firmware?.path;
  const code = path === undefined ? undefined : await present(path);
  const vars = igvm !== undefined || firmware?.vars === undefined ? undefined : await present(firmware.vars);
  if (vars !== undefined && resolved.profile.boot === "uki" && !isBlankStore(await readFile(vars.path)))
    throw new HalError("input", `${vars.path} contains EFI variables, and one of them can start the image with other parameters`, {
      at: nearestOrigin(resolved.origins, "/launch/firmware/vars"),
      remedy: "name an empty store, such as Debian's OVMF_VARS_4M.fd",
    });
  return code === undefined ? undefined : { kind: igvm === undefined ? "fd" : "igvm", ...code, ...(vars === undefined ? {} : { vars }) };
}

async function present(path: string): Promise<{ readonly path: string; readonly sha256: string } | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? { path, sha256: await sha256File(path) } : undefined;
}

interface PackagedFirmware {
  readonly name: FirmwarePackage;
  readonly suite: string;
  /** The version that the profile pins. */
  readonly version: string | undefined;
  /** The package's directory in the cache; it contains a directory for each version. */
  readonly home: string;
}

function packageOf({ profile }: Resolved, cacheDir: string): PackagedFirmware | undefined {
  const { firmware, igvm } = profile.launch;
  if (igvm !== undefined || firmware?.package === undefined) return undefined;
  const name = firmware.package;
  const suite = firmware.suite ?? firmwarePackages[name].suite;
  return { name, suite, version: firmware.version, home: join(cacheAt(cacheDir).firmware, suite, name) };
}

/** A firmware file in the cache is named by its digest, which every use computes again. */
const fileName = (sha256: string): string => `${sha256}.fd`;

async function cachedFirmware(
  { version, home }: PackagedFirmware,
  update: boolean,
  signal?: AbortSignal,
): Promise<FirmwareFile | undefined> {
  const packageVersion = version ?? (update ? undefined : await newestKept(home));
  if (packageVersion === undefined) return undefined;
  const dir = join(home, packageVersion);
  for (const file of await readdir(dir).catch(() => [])) {
    const path = join(dir, file);
    const digest = await sha256File(path, { signal });
    if (file === fileName(digest)) return { kind: "fd", path, sha256: digest, packageVersion };
    note(`${path} in the cache is damaged; hal does not use it`);
  }
  return undefined;
}

/** @throws HalError "command": the package is not in the cache, and `--offline` forbids to download it */
export function refuseFetch({ origins }: Resolved, { name }: Pick<PackagedFirmware, "name">): never {
  throw new HalError("command", `the firmware package ${name} is not in the cache, and --offline forbids to download it`, {
    at: nearestOrigin(origins, "/launch/firmware"),
    remedy: "build once with a network, or name a file: launch.firmware: {path: …}",
  });
}

async function fetchFirmware(resolved: Resolved, wanted: PackagedFirmware, { offline, signal }: FirmwareOptions): Promise<FirmwareFile> {
  if (offline) refuseFetch(resolved, wanted);
  const { name, suite, home } = wanted;
  await mkdir(home, { recursive: true });
  const work = await mkdtemp(join(home, ".new-"));
  try {
    const sources = await findSources({ ...resolved.profile.debian, suite }, work);
    const apt = await makeApt(join(work, "apt"), sources, false);
    const explain = (cause: unknown) => explainApt(cause, resolved, wanted, apt.env);
    await runCommand({ tool: "apt-get", args: ["--quiet", "update"], env: apt.env }, { signal }).catch(explain);
    const tree = join(work, "tree");
    /** Unpacks one package into the tree, and returns its version. */
    const unpack = async (which: string): Promise<string> => {
      await runCommand({ tool: "apt-get", args: ["--quiet", "download", which], env: apt.env, cwd: work }, { signal }).catch(explain);
      const deb = (await readdir(work)).find((entry) => entry.startsWith(`${which.split("=")[0]}_`) && entry.endsWith(".deb"));
      if (deb === undefined) throw new HalError("command", `apt-get downloaded no ${which}`);
      await mkdir(tree, { recursive: true });
      const dpkgDeb = (...args: readonly string[]) =>
        runCommand(inSandbox({ tool: "dpkg-deb", args }, { ids: "one", read: [join(work, deb)], write: [tree] }), { signal });
      await dpkgDeb("--extract", join(work, deb), tree);
      return (await dpkgDeb("--field", join(work, deb), "Version")).stdout.trim();
    };
    const version = await unpack(wanted.version === undefined ? name : `${name}=${wanted.version}`);
    const firmware = join(tree, firmwarePackages[name].path);
    const has = (): boolean => existsSync(firmware);
    // Since 2026.08 ovmf itself is empty: ovmf-generic contains its files.
    if (!has() && name === "ovmf") await unpack(`ovmf-generic=${version}`);
    if (!has()) {
      throw new HalError("input", `${name} ${version} has no ${firmwarePackages[name].path}`, {
        at: nearestOrigin(resolved.origins, "/launch/firmware"),
        remedy: "choose another version or suite",
      });
    }
    const digest = await sha256File(firmware, { signal });
    const path = join(home, version, fileName(digest));
    await mkdir(join(home, version), { recursive: true });
    await rename(firmware, path); // replaces a damaged file, or one with the same bytes
    return { kind: "fd", path, sha256: digest, packageVersion: version };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** apt's messages for a suite, a package or a version that the archive does not have. */
const unknownToApt = /^E: (Version '.*' for '.*' was not found|Unable to locate package |The repository '.*' does not have a Release file)/;

/** Reports a missing suite, package or version as an error in the profile. Throws every other error unchanged. */
async function explainApt(
  error: unknown,
  { origins }: Resolved,
  { name, suite, version }: PackagedFirmware,
  env: Readonly<Record<string, string>>,
): Promise<never> {
  const message = error instanceof HalError ? error.details.find((line) => unknownToApt.test(line)) : undefined;
  if (message === undefined) throw error;
  const { stdout } = await runCommand({ tool: "apt-cache", args: ["madison", name], env }, { allowFailure: true });
  const versions = [...stdout.matchAll(/^ *\S+ \| (\S+) \|/gm)].map(([, found]) => found);
  throw new HalError(
    "input",
    `suite ${suite} has no ${name}${version === undefined ? "" : ` ${version}`}: ${message.slice("E: ".length)}`,
    {
      at: nearestOrigin(origins, "/launch/firmware"),
      remedy: versions.length > 0 ? `it has ${versions.join(", ")}` : `launch.firmware.suite: ${firmwarePackages[name].suite}`,
      cause: error,
    },
  );
}

/** The version that an earlier build fetched. A profile that pins no version keeps it until `--update`. */
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
