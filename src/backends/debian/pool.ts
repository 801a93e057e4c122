import { existsSync } from "node:fs";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { sha256File } from "../../lib/digest.js";
import { HalError } from "../../lib/errors.js";
import { ensureSpace, runOrExplain } from "../../lib/failures.js";
import { inNamespace } from "../../lib/namespace.js";
import { formatSize } from "../../lib/size.js";
import type { Apt } from "./archive.js";
import { type Cache, withScratch } from "./cache.js";
import type { LockedPackage } from "./lock.js";

/** An archive removes old versions of its packages. */
const GONE =
  "check the network; if the archive has newer versions now, build with --update to use them, or pin its old state with debian.snapshot";

export interface DownloadOptions {
  readonly cache: Cache;
  readonly apt: () => Promise<Apt>;
  readonly offline: boolean;
  readonly log: string;
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
}

/** The place of a package's .deb in the cache. */
export function debFile(cache: Cache, { sha256 }: LockedPackage): string {
  return join(cache.pool, `${sha256}.deb`);
}

/** The packages that the cache lacks, or whose file is damaged. Every file is hashed, each time it is used. */
export async function missing(cache: Cache, packages: readonly LockedPackage[], signal?: AbortSignal): Promise<readonly LockedPackage[]> {
  const lacking: LockedPackage[] = [];
  for (const entry of packages) {
    const file = debFile(cache, entry);
    if (!existsSync(file) || (await sha256File(file, { signal })) !== entry.sha256) lacking.push(entry);
  }
  return lacking;
}

/** @throws HalError "command": these packages are not in the cache, and `--offline` forbids to download them */
export function refuseDownload(packages: readonly LockedPackage[]): never {
  throw new HalError("command", `${packages.length} packages are not in the cache, and --offline forbids to download them`, {
    details: packages.slice(0, 5).map((entry) => `${entry.name} ${entry.version}`),
    remedy: "build once without --offline",
  });
}

/**
 * Downloads the packages that the cache lacks. apt checks each file against its signed index. The pool names each file
 * by its own digest. Files that the pool already contains are hashed again.
 */
export async function download(packages: readonly LockedPackage[], options: DownloadOptions): Promise<void> {
  const { cache, log, report, signal } = options;
  const wanted = await missing(cache, packages, signal);
  if (wanted.length === 0) return;
  if (options.offline) refuseDownload(wanted);
  const bytes = wanted.reduce((sum, entry) => sum + entry.size, 0);
  await mkdir(cache.pool, { recursive: true });
  await ensureSpace(cache.pool, bytes, "downloading packages");
  const apt = await options.apt();
  await withScratch(cache, async (dir) => {
    let count = 0;
    const total = formatSize(bytes);
    const onLine = (line: string): void => {
      if (line.startsWith("Get:")) report(`download ${++count} of ${wanted.length} packages (${total} in all)`);
    };
    const names = wanted.map((entry) => `${entry.name}=${entry.version}`);
    const command = inNamespace({ tool: "apt-get", args: ["download", ...names], env: apt.env, cwd: dir });
    try {
      await runOrExplain(command, "downloading packages", { log, onLine, signal, remedy: GONE });
    } finally {
      const expected = new Set(wanted.map(({ sha256 }) => sha256));
      for (const name of (await readdir(dir)).filter((file) => file.endsWith(".deb"))) {
        const digest = await sha256File(join(dir, name));
        if (expected.has(digest)) await rename(join(dir, name), join(cache.pool, `${digest}.deb`));
      }
    }
  });
  const gone = await missing(cache, packages, signal);
  if (gone.length > 0) {
    throw new HalError("command", "the archive does not have the recorded packages", {
      details: gone.slice(0, 5).map((entry) => `${entry.name} ${entry.version} sha256:${entry.sha256}`),
      remedy: GONE,
    });
  }
}
