import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "../../lib/errors.js";
import { shellScript } from "../../lib/paths.js";
import { cleanEnvironment, runCommand, shellQuote } from "../../lib/tools.js";
import type { Profile } from "../../model/generated.js";
import { rollingSuites } from "./lock.js";

/** One suite of one archive, for example the security updates of the stable suite. */
export interface Source {
  readonly uri: string;
  readonly suite: string;
}

const keyrings = ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/**
 * The file with the keys of Debian's archive.
 * @throws HalError "tool" when it is not installed
 */
export function keyring(): string {
  const found = keyrings.find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new HalError("tool", "the keys of Debian's archive are missing", {
    remedy: "install them: apt-get install debian-archive-keyring (or: hal doctor --install)",
  });
}

/**
 * Finds the archives of a suite: the given mirror; else the archives of the host's apt for that suite, when the host is
 * Debian; else the default of mmdebstrap.
 * @param tmp a directory for temporary files
 */
export async function findSources(
  { suite, mirror, snapshot }: Pick<Profile["debian"], "suite" | "mirror" | "snapshot">,
  tmp: string,
): Promise<readonly Source[]> {
  if (mirror !== undefined) return [{ uri: mirror.replaceAll("@SNAPSHOTID@", snapshot ?? ""), suite }];
  const host = await hostSources(suite);
  return host.length > 0 ? host : defaultSources(suite, tmp);
}

async function hostSources(suite: string): Promise<readonly Source[]> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const codename = /^ID=debian$/m.test(release) ? /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] : undefined;
  if (codename === undefined) return [];
  const { exitCode, stdout } = await runCommand({ tool: "apt-get", args: ["update", "--print-uris"] }, { allowFailure: true });
  return exitCode === 0 ? sourcesFor(suite, codename, stdout) : [];
}

/**
 * The archives of a suite, taken from those of the host.
 * @param codename the host's Debian release
 * @param printed the output of the host's `apt-get update --print-uris`
 */
export function sourcesFor(suite: string, codename: string, printed: string): readonly Source[] {
  const rolling = rollingSuites.includes(suite);
  const found: Source[] = [];
  for (const [, uri, release] of printed.matchAll(/^'([^']+)\/dists\/([^'/]+)\/InRelease'/gm)) {
    if (uri === undefined || release === undefined) continue;
    const part = release === codename ? "" : release.startsWith(`${codename}-`) ? release.slice(codename.length) : undefined;
    if (part !== "" && (rolling || (part !== "-updates" && part !== "-security"))) continue;
    found.push({ uri, suite: `${suite}${part}` });
  }
  return found.some((source) => source.suite === suite) ? found : [];
}

/** The sources.list that mmdebstrap writes without a mirror. Its set-up hook copies the file and ends mmdebstrap before any download. */
async function defaultSources(suite: string, tmp: string): Promise<readonly Source[]> {
  const dir = await mkdtemp(join(tmp, "sources-"));
  const list = join(dir, "sources.list");
  const args = [
    "--mode=root",
    "--variant=custom",
    "--format=null",
    `--setup-hook=sh ${shellQuote(shellScript("debian/default-sources-hook.sh"))} "$1"`,
    suite,
    "/dev/null",
  ];
  await runCommand({ tool: "mmdebstrap", args, env: cleanEnvironment({ LIST: list, TMPDIR: dir }) }, { allowFailure: true });
  const text = await readFile(list, "utf8").catch(() => "");
  await rm(dir, { recursive: true, force: true });
  const found = [...text.matchAll(/^deb (?:\[[^\]]*\] )?(\S+) (\S+) /gm)].map(([, uri = "", release = ""]) => ({
    uri: uri.replace(/\/$/, ""),
    suite: release,
  }));
  if (found.length > 0) return found;
  throw new HalError("input", `mmdebstrap lists no archive for the suite '${suite}'`, { remedy: "set debian.mirror" });
}

/** The archive at the time of a snapshot, by the Snapshots field of its signed Release file; undefined without such a field. */
export function snapshotSource(source: Source, release: string, snapshot: string): Source | undefined {
  const template = /^Snapshots: (\S+@SNAPSHOTID@\S*)$/m.exec(release)?.[1];
  return template === undefined
    ? undefined
    : { uri: template.replaceAll("@SNAPSHOTID@", snapshot).replace(/\/$/, ""), suite: source.suite };
}

/**
 * The settings of the host's apt (apt.conf(5), apt-transport-https(1)) that hal's apt takes over: how to reach the archives, and whether
 * an old Release file is accepted, because that depends on the mirror. No other setting reaches hal's apt, so none can switch off the
 * checks of signatures and certificates.
 */
const HOST_SETTINGS = [
  "Acquire::Check-Valid-Until",
  "Acquire::ForceIPv[46]",
  "Acquire::(?:http|https|ftp)::(?:Proxy|Proxy-Auto-Detect|ProxyAutoDetect|Timeout|Dl-Limit|Pipeline-Depth|No-Cache|User-Agent)",
  "Acquire::(?:http|https|ftp)::Proxy::[A-Za-z0-9.-]+",
  "Acquire::https::(?:[A-Za-z0-9.-]+::)?(?:CaInfo|CaPath|CRLFile|SslCert|SslKey)",
];
const hostSetting = new RegExp(`^(?:${HOST_SETTINGS.join("|")}) "[^"]+";$`, "i");

/** The lines of `apt-config dump` that hal's apt takes over from the host. */
export function takenOver(dump: string): readonly string[] {
  return dump.split("\n").filter((line) => hostSetting.test(line));
}

/** Makes a private apt. It takes over a few settings of the host's apt (`takenOver`), and writes none of its files. */
export async function makeApt(dir: string, sources: readonly Source[], isSnapshot: boolean): Promise<Apt> {
  if (/["\n\\]/.test(dir))
    throw new HalError("input", `apt cannot use a cache directory with this name: ${dir}`, {
      remedy: "set HAL_CACHE to another directory",
    });
  for (const part of ["lists/partial", "archives/partial", "parts", "etc/apt/preferences.d", "etc/apt/auth.conf.d", "log"])
    await mkdir(join(dir, part), { recursive: true });
  await writeFile(join(dir, "status"), "");
  const signed = `[arch=amd64 signed-by=${keyring()}]`;
  await writeFile(join(dir, "sources.list"), sources.map(({ uri, suite }) => `deb ${signed} ${uri} ${suite} main\n`).join(""));
  const host = await runCommand({ tool: "apt-config", args: ["dump", "Acquire"] });
  const own = [
    `Dir "${dir}/";`,
    `Dir::State "${dir}/";`,
    `Dir::State::lists "${dir}/lists/";`,
    `Dir::State::status "${dir}/status";`,
    `Dir::Cache "${dir}/";`,
    `Dir::Log "${dir}/log/";`,
    `Dir::Etc::main "/dev/null";`,
    `Dir::Etc::parts "${dir}/parts/";`,
    `Dir::Etc::sourcelist "${dir}/sources.list";`,
    `Dir::Etc::sourceparts "${dir}/parts/";`,
    `APT::Architecture "amd64";`,
    `APT::Architectures { "amd64"; };`,
    `APT::Install-Recommends "false";`,
    `APT::Sandbox::User "root";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "3";`,
    ...(isSnapshot ? [`Acquire::Check-Valid-Until "false";`] : []),
  ];
  await writeFile(join(dir, "apt.conf"), `${[...takenOver(host.stdout), ...own].join("\n")}\n`);
  return { dir, env: cleanEnvironment({ APT_CONFIG: join(dir, "apt.conf"), LC_ALL: "C" }) };
}

/** A private apt: its directory, and the environment in which apt's programs use it. */
export interface Apt {
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
}
