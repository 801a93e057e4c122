import { readFile } from "node:fs/promises";
import { sha256 } from "../../lib/digest.js";

/** One binary package, with its exact version and digest. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Digest of the .deb, from the signed archive index. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Source package, with its version where that differs. */
  readonly source: string;
  /** The index entry as apt shows it, for the local archive that mmdebstrap installs from. */
  readonly stanza: string;
}

/** Every package of an image, its kernel and its tools, from one state of the archive. */
export interface Lock {
  readonly format: 1;
  readonly suite: string;
  readonly snapshot: string | null;
  /** The signed Release files that the packages come from: archive path and Date field. */
  readonly releases: readonly string[];
  readonly root: readonly LockedPackage[];
  readonly tools: readonly LockedPackage[];
  readonly kernel: readonly LockedPackage[];
}

/** The text of a recorded lock: the SHA-256 of the rest, newline, JSON. */
export function lockText(lock: Lock): string {
  const json = `${JSON.stringify(lock)}\n`;
  return `${sha256(json)}\n${json}`;
}

/** Reads a recorded lock; undefined when there is none, or it is damaged or of another format. */
export async function readLock(file: string): Promise<Lock | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const end = text.indexOf("\n") + 1;
  const json = text.slice(end);
  if (end === 0 || sha256(json) !== text.slice(0, end - 1)) return undefined;
  const lock = JSON.parse(json) as Lock;
  return lock.format === 1 ? lock : undefined;
}

/** Suites that get updates in place, so no separate archive of updates exists. */
export const rollingSuites: readonly string[] = ["sid", "unstable", "experimental"];

/** Whether the packages of a stable suite come without its security updates. */
export function lacksSecurity({ suite, releases }: Pick<Lock, "suite" | "releases">): boolean {
  return !rollingSuites.includes(suite) && !releases.some((release) => release.startsWith(`${suite}-security `));
}

/** Digest of a set of packages: two sets have the same digest when all their .debs are equal. */
export function packagesDigest(packages: readonly LockedPackage[]): string {
  return sha256(packages.map((entry) => `${entry.name} ${entry.version} ${entry.architecture} ${entry.sha256}\n`).join(""));
}

/**
 * Reads the output of `apt-cache show` (Debian policy 5.1: stanzas separated by empty lines), sorted by name. A package
 * that two archives contain is listed once, with its first entry, as in apt.
 */
export function parseStanzas(text: string): readonly LockedPackage[] {
  const found = new Map<string, LockedPackage>();
  for (const stanza of text.split(/\n\n+/)) {
    const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1];
    const [name, version, architecture, sha, size] = ["Package", "Version", "Architecture", "SHA256", "Size"].map(field);
    if (name === undefined || version === undefined || architecture === undefined || sha === undefined || size === undefined) continue;
    const key = `${name} ${version}`;
    if (found.has(key)) continue;
    found.set(key, {
      name,
      version,
      architecture,
      sha256: sha,
      size: Number(size),
      source: field("Source") ?? name,
      stanza: stanza.trim(),
    });
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
