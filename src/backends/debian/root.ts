import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { sha256 } from "../../lib/digest.js";
import { runOrExplain } from "../../lib/failures.js";
import { inNamespace } from "../../lib/namespace.js";
import { cleanEnvironment } from "../../lib/tools.js";
import { type Cache, entry } from "./cache.js";
import { type Lock, type LockedPackage, packagesDigest } from "./lock.js";

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

/**
 * What no image keeps of the root tree: package manager state (the root is read-only), what tells the build host or
 * its clock, and what the kernel and the init system fill at boot.
 */
const discarded = [
  "/etc/apt",
  "/etc/hostname",
  "/etc/resolv.conf",
  "/etc/passwd-",
  "/etc/group-",
  "/etc/shadow-",
  "/etc/gshadow-",
  "/etc/.pwd.lock",
  "/var/lib/apt",
  "/var/lib/dpkg/info",
  "/var/lib/dpkg/status-old",
  "/var/lib/dpkg/lock",
  "/var/lib/dpkg/lock-frontend",
  "/var/lib/dpkg/triggers",
  "/var/lib/systemd/random-seed",
];
const emptied = ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/var/cache", "/var/log"];

/** Shadow passwords for every account (shadow(5)): Debian sets them up with the passwd package, which not every tree has. */
const SHADOW = `touch /etc/shadow /etc/gshadow
while IFS=: read -r name _; do
  grep -q "^$name:" /etc/shadow || echo "$name:*::0:99999:7:::" >> /etc/shadow
done < /etc/passwd
while IFS=: read -r name _; do
  grep -q "^$name:" /etc/gshadow || echo "$name:*::" >> /etc/gshadow
done < /etc/group
sed -i "s/^\\([^:]*\\):[^:]*:/\\1:x:/" /etc/passwd /etc/group
chown 0:shadow /etc/shadow /etc/gshadow
chmod 0640 /etc/shadow /etc/gshadow`;

/** The cleaning is done by the tree's own programs, the times are set by the host's. */
const FINISH = `chroot "$1" /bin/sh -euc "$2"
find "$1" -exec touch --no-dereference --date="@$EPOCH" {} +`;

/** What makes the same tree of the same packages, wherever and whenever. */
const finish = [
  SHADOW,
  `rm -rf ${discarded.join(" ")}`,
  ...emptied.map((dir) => `mkdir -p ${dir}; find ${dir} -xdev -mindepth 1 -delete`),
].join("\n");

/** Counts the changes of this file that change its trees. */
const RECIPE = 2;

/** What tells root trees apart: their packages, and how they are put together. */
export function rootKey(lock: Lock, sourceDateEpoch: number): string {
  return sha256(`${RECIPE} ${lock.suite} ${sourceDateEpoch} ${packagesDigest(lock.root)} ${filters} ${extractHook} ${finish}`);
}

/**
 * The root tree of a package set, every file with the profile's time, made by mmdebstrap, or taken from the cache. mmdebstrap
 * sees nothing but the locked packages: an archive of their .debs in the cache is its only source.
 */
export function rootTree(lock: Lock, requested: readonly string[], sourceDateEpoch: number, options: TreeOptions): Promise<string> {
  const { cache, log, report, signal } = options;
  return entry(cache, join(cache.root, rootKey(lock, sourceDateEpoch)), async (fresh) => {
    await options.fetch(lock.root);
    const work = `${fresh}.work`;
    await writeArchive(join(work, "archive"), lock, cache);
    await mkdir(join(work, "tmp"));
    const args = [
      "--mode=root",
      "--variant=essential",
      "--format=directory",
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
    const last = cleanEnvironment({ LC_ALL: "C", EPOCH: String(sourceDateEpoch) });
    await runOrExplain(inNamespace({ tool: "sh", args: ["-euc", FINISH, "sh", fresh, finish], env: last }), "cleaning the root tree", {
      log,
      signal,
    });
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
