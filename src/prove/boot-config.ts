import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { imageFile, readImageFile } from "../bundle/open.js";
import { addParameter, parameterValues } from "../codecs/cmdline.js";
import type { Accel } from "../launch/qemu.js";
import { runCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import type { BootConfig } from "./boot.js";
import type { ImageUnderTest } from "./image.js";
import { appendArchive, probeArchive } from "./probe.js";

export interface ProveOptions {
  readonly accel: Accel;
  readonly signal?: AbortSignal;
}

/** Bytes. Node.js reads no more at once. */
export const maxInitrd = 2 ** 31 - 1;

/** How many guests run at the same time: each one needs a processor. */
export const PARALLEL_BOOTS = Math.max(1, Math.min(2, availableParallelism()));

/** Time limit of one boot in seconds. TCG on a busy machine is slow. */
const BOOT_SECONDS = { kvm: 90, tcg: 300 } as const;

/** How hard the probe loads the read-write partition: files of 1 MiB for each of its 16 processes. */
export const loadFiles = { none: 0, light: 8, stress: 128 } as const;

/** Seconds that an image may take from the start of its init until startup is complete. */
const READY_SECONDS = 240;

/** The configuration that all boots of an image share. */
export function bootConfig(image: ImageUnderTest, options: ProveOptions): Omit<BootConfig, "drives" | "initrd"> {
  return {
    launch: image.launch,
    dir: resolve(image.dir),
    cmdline: cmdlineWithProbe(image.launch.cmdline, options),
    accel: options.accel,
    seconds: BOOT_SECONDS[options.accel],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

/**
 * Makes the kernel start the probe first. Under TCG it also disables the kernel's timer check (`no_timer_check`): on a busy host the
 * emulated timer is late, and the check panics. KVM guests skip this check anyway.
 */
export function cmdlineWithProbe(cmdline: string, { accel }: ProveOptions): string {
  return addParameter(cmdline, `rdinit=/hal-probe/init${accel === "tcg" ? " no_timer_check" : ""}`);
}

/**
 * The initrd of the image with the probe appended.
 * @param tamper a file of the guest that the probe reads again after the host has changed the disk
 */
export async function initrdWithProbe(
  { dir, launch, promises }: ImageUnderTest,
  { tamper, load = "none" }: { readonly tamper?: string | undefined; readonly load?: keyof typeof loadFiles } = {},
): Promise<Buffer> {
  const archive = await probeArchive({
    originalInit: parameterValues(launch.cmdline, "rdinit").at(-1) ?? "/init",
    init: promises.init,
    keepTools: promises.layout.root.type === "verity",
    readySeconds: READY_SECONDS,
    loadFiles: loadFiles[load],
    ...(promises.layout.rw === undefined ? {} : { rw: promises.layout.rw.mount }),
    ...(tamper === undefined ? {} : { tamper }),
  });
  return appendArchive(await readImageFile(dir, launch.initrd?.path ?? "", maxInitrd), archive);
}

/**
 * Copies the disk images, sparse, so that no boot changes the artifacts.
 * @param dir the directory that the paths of `drives` are relative to
 * @returns the path of each copy, by drive id
 */
export async function copyDrives(dir: string, { drives }: Pick<Launch, "drives">, scratch: string): Promise<Record<string, string>> {
  const copies: Record<string, string> = {};
  for (const drive of drives) {
    const copy = join(scratch, `${drive.id}.img`);
    await copySparse(imageFile(dir, drive.path), copy);
    copies[drive.id] = copy;
  }
  return copies;
}

/** Copies a file. Blocks of zeros become holes, and the copy shares blocks with the original where the filesystem supports it. */
export async function copySparse(from: string, to: string): Promise<void> {
  await runCommand({ tool: "cp", args: ["--sparse=always", "--reflink=auto", from, to] });
}

/**
 * Gives `work` a temporary directory and removes it afterwards. The directory is next to the artifacts, so that copies can share their
 * blocks; if that place is not writable, it is in the system's temporary directory.
 */
export async function withScratchDir<T>(dir: string, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(resolve(dir, ".."), ".hal-proof-")).catch(() => mkdtemp(join(tmpdir(), "hal-proof-")));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
