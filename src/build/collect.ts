import { copyFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { UNLISTED } from "../bundle/manifest.js";
import { digestFile, type FileDigest } from "../lib/digest.js";
import { runCommand } from "../lib/tools.js";
import type { Resolved } from "../model/resolved.js";
import type { FirmwareFile } from "./firmware.js";

/** What post-image.sh leaves for the output directory; BINARIES_DIR has other files too. */
export function isArtifact(name: string): boolean {
  return /^(bzImage|cmdline|disk\.img|rootfs\.(ext4|verity|roothash)|(rootfs|initramfs)\.cpio\.(gz|zst)|[a-z0-9-]+\.(eif|efi))$/.test(name);
}

/** Copies the file that a name means, links followed, holes kept. */
export async function copySparse(from: string, to: string): Promise<void> {
  await runCommand({ tool: "cp", args: ["--dereference", "--sparse=always", "--reflink=auto", "--", from, to] });
}

/** Puts the firmware beside the artifacts, so that what was measured is what is launched, wherever the directory goes. */
export async function copyFirmware(firmware: FirmwareFile | undefined, dir: string, resolved: Resolved): Promise<FirmwareFile | undefined> {
  if (firmware === undefined) return undefined;
  const path = resolved.profile.launch.igvm === undefined ? "firmware.fd" : "firmware.igvm";
  await copyFile(firmware.path, join(dir, path));
  if (firmware.vars === undefined) return { ...firmware, path };
  await copyFile(firmware.vars.path, join(dir, "firmware.vars.fd"));
  return { ...firmware, path, vars: { ...firmware.vars, path: "firmware.vars.fd" } };
}

/** Digests a file, if it is there, while other work reads it; nothing when that work has written to it. */
export async function digestBeside(work: Promise<void>, dir: string, name: string): Promise<readonly FileDigest[]> {
  const file = join(dir, name);
  const before = await stat(file, { bigint: true }).catch(() => undefined);
  const [digest] = await Promise.all([before === undefined ? undefined : digestFile(file, name), work]);
  if (before === undefined || digest === undefined) return [];
  const after = await stat(file, { bigint: true });
  return after.ino === before.ino && after.mtimeNs === before.mtimeNs && after.size === before.size ? [digest] : [];
}

/** Digests of every artifact in a directory, by name; those already known are not read again. */
export async function digestAll(dir: string, known: readonly FileDigest[] = []): Promise<FileDigest[]> {
  const names = (await readdir(dir)).filter((name) => !UNLISTED.includes(name)).sort();
  return Promise.all(names.map(async (name) => known.find((entry) => entry.name === name) ?? digestFile(join(dir, name), name)));
}
