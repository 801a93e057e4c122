import { chmod, chown, copyFile, lstat, readdir, readFile, realpath, rename, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Prepared } from "../backends/backend.js";
import { binaries, files, isArtifact } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { refuseLinks } from "../lib/links.js";
import { isRoot } from "../lib/namespace.js";
import { runCommand } from "../lib/tools.js";
import type { FirmwareFile } from "./firmware.js";

/** The artifacts of an image, in the directory that becomes its image directory. */
export interface Collected {
  readonly prepared: Prepared;
  readonly dir: string;
  /** The complete kernel command line, with `roothash=` where the root is verified. */
  readonly cmdline: string;
  /** With paths relative to `dir`. */
  readonly firmware: FirmwareFile | undefined;
}

const REPLACED = "a package or a script of the profile replaced it: find out which one";

/**
 * Moves the artifacts out of BINARIES_DIR and copies the firmware to them, so the measured file is the launched file.
 * @param keep copies the artifacts and leaves them in place: Buildroot's next, partial build needs them
 */
export async function collect(prepared: Prepared, firmware: FirmwareFile | undefined, keep: boolean): Promise<Collected> {
  const { staging: dir, workDir } = prepared.workspace;
  await refuseLinks(workDir, relative(workDir, prepared.binariesDir));
  for (const name of (await readdir(prepared.binariesDir)).filter(isArtifact)) {
    const [from, to] = [join(prepared.binariesDir, name), join(dir, name)];
    await requireFileInside(from);
    if (keep) await copySparse(from, to);
    else await moveOwn(from, to);
    await chmod(to, 0o644); // a program of the profile can have made it set-uid
  }
  await requireFileInside(join(prepared.binariesDir, binaries.cmdline));
  const cmdline = (await readFile(join(prepared.binariesDir, binaries.cmdline), "utf8")).trimEnd();
  return { prepared, dir, cmdline, firmware: firmware && (await copyFirmware(firmware, dir)) };
}

/**
 * Moves a file of a sandbox, whose root is the caller, or an id that belongs to root.
 * @throws HalError "check" for a link, and for a file of another id of the sandbox
 */
async function moveOwn(from: string, to: string): Promise<void> {
  const info = await lstat(from);
  if (!info.isFile() || (!isRoot && info.uid !== process.geteuid?.()))
    throw new HalError("check", "is not a regular file that belongs to root", { at: { file: from }, remedy: REPLACED });
  await rename(from, to);
  if (isRoot) await chown(to, 0, 0);
}

/**
 * Programs of a profile can write BINARIES_DIR, and a link would put a file of this machine into the image. Buildroot's
 * own links (rootfs.ext4 to rootfs.ext2) stay in the directory.
 * @throws HalError "check" for anything but a regular file of the same directory
 */
export async function requireFileInside(file: string): Promise<void> {
  const target = await realpath(file).catch(() => undefined); // a link can lead nowhere
  if (target !== undefined && dirname(target) === (await realpath(dirname(file))) && (await stat(target)).isFile()) return;
  throw new HalError("check", "is not a regular file of this directory", {
    at: { file },
    remedy: REPLACED,
  });
}

/** Copies a file, or the target of a link, and keeps holes. */
export async function copySparse(from: string, to: string): Promise<void> {
  await runCommand({ tool: "cp", args: ["--dereference", "--sparse=always", "--reflink=auto", "--", from, to] });
}

async function copyFirmware(firmware: FirmwareFile, dir: string): Promise<FirmwareFile> {
  const path = firmware.kind === "igvm" ? files.igvm : files.firmware;
  await copyFile(firmware.path, join(dir, path));
  if (firmware.vars === undefined) return { ...firmware, path };
  await copyFile(firmware.vars.path, join(dir, files.firmwareVars));
  return { ...firmware, path, vars: { ...firmware.vars, path: files.firmwareVars } };
}
