import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { sha256 } from "../../digest.js";
import { cleanEnvironment } from "../../tools.js";
import { type Cache, entry } from "./cache.js";
import { runOrExplain } from "./failures.js";
import { type Lock, type LockedPackage, packagesDigest } from "./lock.js";
import { inNamespace } from "./namespace.js";

export interface TreeOptions {
  readonly cache: Cache;
  readonly log: string;
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
  /** Sees to it that the cache has these packages. */
  readonly fetch: (packages: readonly LockedPackage[]) => Promise<void>;
}

/** Not in a root tree: documentation and translations, under /usr/share. Copyright files stay, as their licences ask. */
const excluded = ["man", "info", "locale", "lintian", "bash-completion", "zsh"];
const filters = `${[...excluded, "doc"].map((name) => `path-exclude=/usr/share/${name}/*\n`).join("")}path-include=/usr/share/doc/*/copyright\n`;

/**
 * dpkg's filters go straight into the tree, after the first extraction: given to mmdebstrap, they would start a Python
 * program for each package that it extracts, which doubles the time. What that extraction unpacked is removed instead.
 */
const extractHook = `set -eu
printf %s "$FILTERS" > "$1/etc/dpkg/dpkg.cfg.d/hal"
cd "$1/usr/share"
rm -rf ${excluded.join(" ")}
find doc ! -type d ! -name copyright -delete
find doc -type d -empty -delete`;
const customizeHook = 'rm "$1/etc/dpkg/dpkg.cfg.d/hal"';

/** Counts the changes of this file that change its trees. */
const RECIPE = 1;

/** What tells root trees apart: their packages, and how they are put together. */
export function rootKey(lock: Lock, sourceDateEpoch: number): string {
  return sha256(`${RECIPE} ${lock.suite} ${sourceDateEpoch} ${packagesDigest(lock.root)} ${filters} ${extractHook}`);
}

/**
 * The root tree of a package set as a tar archive, made by mmdebstrap, or taken from the cache. mmdebstrap sees
 * nothing but the locked packages: an archive of their .debs in the cache is its only source.
 */
export function rootTree(lock: Lock, requested: readonly string[], sourceDateEpoch: number, options: TreeOptions): Promise<string> {
  const { cache, log, report, signal } = options;
  return entry(cache, join(cache.root, `${rootKey(lock, sourceDateEpoch)}.tar`), async (fresh) => {
    await options.fetch(lock.root);
    const work = `${fresh}.work`;
    await writeArchive(join(work, "archive"), lock, cache);
    await mkdir(join(work, "tmp"));
    const args = [
      "--mode=root",
      "--variant=essential",
      "--format=tar",
      "--skip=output/dev,check/signed-by,check/qemu",
      `--include=${requested.join(",")}`,
      '--aptopt=APT::Sandbox::User "root"',
      "--dpkgopt=force-unsafe-io", // the tree is thrown away unless all of it is there
      `--extract-hook=${extractHook}`,
      `--customize-hook=${customizeHook}`,
      lock.suite,
      fresh,
      `deb [trusted=yes] ${pathToFileURL(join(work, "archive")).href.replace(/^file:/, "copy:")} ./`,
    ];
    const env = {
      ...cleanEnvironment({
        SOURCE_DATE_EPOCH: String(sourceDateEpoch),
        FILTERS: filters,
        TMPDIR: join(work, "tmp"),
        HOME: "/root",
        USER: "root",
        LOGNAME: "root",
      }),
    };
    const onLine = (line: string): void => {
      const step = /^I: ((?:extracting|installing|creating) .*?)\.*$/.exec(line)?.[1];
      if (step !== undefined) report(`root tree: ${step}`);
    };
    await runOrExplain(inNamespace({ tool: "mmdebstrap", args, env }), "mmdebstrap", { log, onLine, signal });
  });
}

/** A flat archive (sources.list(5): suite `./`) that has exactly the locked packages; apt checks each against its digest. */
async function writeArchive(dir: string, lock: Lock, cache: Cache): Promise<void> {
  await mkdir(dir, { recursive: true });
  await symlink(cache.pool, join(dir, "pool"));
  const index = lock.root.map((entry) => `${indexEntry(entry)}\n\n`).join("");
  await writeFile(join(dir, "Packages"), index);
  const fields = [
    `Suite: ${lock.suite}`,
    `Codename: ${lock.suite}`,
    "Date: Thu, 01 Jan 1970 00:00:00 UTC",
    "SHA256:",
    ` ${sha256(index)} ${Buffer.byteLength(index)} Packages`,
  ];
  await writeFile(join(dir, "Release"), `${fields.join("\n")}\n`);
}

function indexEntry({ stanza, sha256 }: LockedPackage): string {
  return stanza.replace(/^Filename: .*$/m, `Filename: pool/${sha256}.deb`);
}
