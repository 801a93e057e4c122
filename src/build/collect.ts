import { copyFile, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Prepared } from "../backends/backend.js";
import { binaries, files, isArtifact } from "../bundle/files.js";
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

/**
 * Moves the artifacts out of BINARIES_DIR and copies the firmware to them, so the measured file is the launched file.
 * @param keep copies the artifacts and leaves them in place: Buildroot's next, partial build needs them
 */
export async function collect(prepared: Prepared, firmware: FirmwareFile | undefined, keep: boolean): Promise<Collected> {
  const dir = prepared.workspace.staging;
  for (const name of (await readdir(prepared.binariesDir)).filter(isArtifact)) {
    const [from, to] = [join(prepared.binariesDir, name), join(dir, name)];
    if (keep) await copySparse(from, to);
    else await rename(from, to);
  }
  const cmdline = (await readFile(join(prepared.binariesDir, binaries.cmdline), "utf8")).trimEnd();
  return { prepared, dir, cmdline, firmware: firmware && (await copyFirmware(firmware, dir)) };
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
