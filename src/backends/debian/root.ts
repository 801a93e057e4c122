import { readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { sha256 } from "../../lib/digest.js";
import { runOrExplain } from "../../lib/failures.js";
import { inSandbox, type Sandbox } from "../../lib/namespace.js";
import { shellScript } from "../../lib/paths.js";
import { cleanEnvironment, shellQuote } from "../../lib/tools.js";
import { type Cache, entry } from "./cache.js";
import { type Lock, type LockedPackage, packagesDigest } from "./lock.js";

export interface TreeOptions {
  readonly cache: Cache;
  readonly log: string;
  readonly report: (text: string) => void;
  readonly signal: AbortSignal;
  /** Downloads the packages that the cache lacks. */
  readonly fetch: (packages: readonly LockedPackage[]) => Promise<void>;
}

/** dpkg's filters exclude documentation and translations. They keep the copyright files, which the licences require. */
const filters = [
  ...["man", "info", "locale", "lintian", "bash-completion", "zsh", "doc"].map((name) => `path-exclude=/usr/share/${name}/*\n`),
  "path-include=/usr/share/doc/*/copyright\n",
].join("");

/** The scripts that make a root tree of packages. */
const scripts = ["extract-hook.sh", "customize-hook.sh", "finish-root.sh", "clean-root.sh"].map((name) => shellScript(`debian/${name}`));

/** The version of the recipe in this file. Increase it with every change that makes other trees. */
const RECIPE = 3;

/** The digest of everything that decides the bytes of a root tree: packages, filters and scripts. */
export function rootKey(lock: Lock, sourceDateEpoch: number): string {
  const recipe = scripts.map((file) => readFileSync(file, "utf8")).join("");
  return sha256(`${RECIPE} ${lock.suite} ${sourceDateEpoch} ${packagesDigest(lock.root)} ${filters} ${recipe}`);
}

/** A hook of mmdebstrap, which runs it with the tree as its first argument. */
function hook(script: string): string {
  return `sh ${shellQuote(shellScript(`debian/${script}`))} "$1"`;
}

/**
 * Returns the root tree of a package set from the cache, or makes it with mmdebstrap. Every file has the profile's
 * time. mmdebstrap reads only an archive of the locked packages, so it cannot install others.
 */
export function rootTree(lock: Lock, requested: readonly string[], sourceDateEpoch: number, options: TreeOptions): Promise<string> {
  const { cache, log, report, signal } = options;
  const make = async (fresh: string): Promise<void> => {
    await options.fetch(lock.root);
    const work = `${fresh}.work`;
    await writeArchive(join(work, "archive"), lock, cache);
    const args = [
      "--mode=root",
      "--variant=essential",
      "--format=directory",
      "--skip=output/dev,check/signed-by,check/qemu",
      `--include=${requested.join(",")}`,
      '--aptopt=APT::Sandbox::User "root"',
      "--dpkgopt=force-unsafe-io", // an incomplete tree is thrown away
      `--extract-hook=${hook("extract-hook.sh")}`,
      `--customize-hook=${hook("customize-hook.sh")}`,
      lock.suite,
      fresh,
      `deb [trusted=yes] ${pathToFileURL(join(work, "archive")).href.replace(/^file:/, "copy:")} ./`,
    ];
    const env = {
      ...cleanEnvironment({
        SOURCE_DATE_EPOCH: String(sourceDateEpoch),
        FILTERS: filters,
        TMPDIR: "/tmp",
        HOME: "/root",
        USER: "root",
        LOGNAME: "root",
      }),
    };
    const sandbox: Sandbox = { ids: "many", read: [shellScript("debian"), cache.pool], write: [dirname(fresh)] };
    const onLine = (line: string): void => {
      const step = /^I: ((?:extracting|installing|creating) .*?)\.*$/.exec(line)?.[1];
      if (step !== undefined) report(`root tree: ${step}`);
    };
    await runOrExplain(inSandbox({ tool: "mmdebstrap", args, env }, sandbox), "mmdebstrap", { log, onLine, signal });
    const finish = [shellScript("debian/finish-root.sh"), fresh, String(sourceDateEpoch)];
    const clean = { tool: "sh", args: finish, env: cleanEnvironment({ LC_ALL: "C" }) };
    await runOrExplain(inSandbox(clean, sandbox), "cleaning the root tree", { log, signal });
  };
  return entry(cache, join(cache.root, rootKey(lock, sourceDateEpoch)), make, signal);
}

/** A flat archive (sources.list(5): suite `./`) of exactly the locked packages. apt checks the digest of each. */
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
