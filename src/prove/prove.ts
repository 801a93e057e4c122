import { mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Accel } from "../launch/qemu.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import { type BootPlan, type BootRecord, boot } from "./boot.js";
import { type Check, type Figures, figures, judge, spoken } from "./checks/index.js";
import { last } from "./facts.js";
import type { Subject } from "./image.js";
import { type ProbeSettings, probeArchive, withProbe } from "./probe.js";
import { scanDisk } from "./scan-disk.js";

export interface ProveOptions {
  readonly accel: Accel;
  readonly signal?: AbortSignal;
}

/** What one boot of the very artifacts proved. */
export interface Proof {
  readonly checks: readonly Check[];
  readonly figures: Figures;
  readonly record: BootRecord;
  /** What the console of another boot said, when this one did not get to its end. */
  readonly console?: string;
}

/** Seconds until a guest that does not end counts as hanging; emulation on a busy machine is slow. */
export const BOOT_SECONDS = { kvm: 90, tcg: 300 } as const;

/**
 * Boots the artifacts once, unchanged, with the probe appended to the initrd, and holds what it saw against the promises.
 * The guest writes to a copy of the disk.
 */
export async function prove(subject: Subject, options: ProveOptions): Promise<Proof> {
  return inScratch(subject.dir, async (scratch) => {
    const drives = await copyDrives(subject, scratch);
    const initrd = await probedInitrd(subject);
    const record = await boot({ ...plan(subject, options), drives, initrd });
    const [disk] = Object.values(drives);
    const checks = judge(subject.promises, {
      facts: record.facts,
      console: record.console,
      ending: record.ending,
      disk: disk === undefined ? undefined : await scanDisk(disk),
    });
    const whole = last(record.facts, "end") === "ok";
    return {
      checks,
      figures: figures(record.facts),
      record,
      ...(whole ? {} : { console: await console(subject, options, drives, initrd) }),
    };
  });
}

/** A silent image whose boot breaks off is booted once more with a console, which has the reason. */
async function console(subject: Subject, options: ProveOptions, drives: Record<string, string>, initrd: Buffer): Promise<string> {
  const base = plan(subject, options);
  const record = await boot({ ...base, cmdline: addParameter(base.cmdline, "console=ttyS0"), drives, initrd });
  return spoken(record.console);
}

/** The parts of a boot that every case shares. */
export function plan(subject: Subject, options: ProveOptions): Omit<BootPlan, "drives" | "initrd"> {
  const seconds = BOOT_SECONDS[options.accel];
  return {
    launch: subject.launch,
    dir: resolve(subject.dir),
    cmdline: probedCmdline(subject.launch.cmdline, options),
    accel: options.accel,
    seconds,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

/** Starts the probe first; under emulation no test of the timer, which panics when a busy host makes it late, and which KVM guests do not do either. */
export function probedCmdline(cmdline: string, { accel }: ProveOptions): string {
  return addParameter(cmdline, `rdinit=/hal-probe/init${accel === "tcg" ? " no_timer_check" : ""}`);
}

/** Adds a kernel parameter; what stands behind `--` is for init (Documentation/admin-guide/kernel-parameters.rst). */
export function addParameter(cmdline: string, parameter: string): string {
  const [kernel = "", ...init] = cmdline.split(/ -- /);
  return [`${kernel.trim()} ${parameter}`.trim(), ...init].join(" -- ");
}

/** The image's initrd with the probe behind it. */
export async function probedInitrd(subject: Subject, tamper?: string): Promise<Buffer> {
  const { launch, promises, dir } = subject;
  if (launch.initrd === undefined) throw new HalError("input", `image '${promises.name}' has no initrd`);
  const settings: ProbeSettings = {
    originalInit: /(?:^| )rdinit=(\S+)/.exec(launch.cmdline)?.[1] ?? "/init",
    init: promises.init,
    keepTools: promises.layout.root.type === "verity",
    readySeconds: 240,
    ...(promises.layout.rw === undefined ? {} : { rw: promises.layout.rw.mount }),
    ...(tamper === undefined ? {} : { tamper }),
  };
  return withProbe(await readFile(resolve(dir, launch.initrd.path)), await probeArchive(settings));
}

/** Sparse copies of the disks: the artifacts stay what the manifest says. */
export async function copyDrives(subject: Subject, scratch: string): Promise<Record<string, string>> {
  const copies: Record<string, string> = {};
  for (const drive of subject.launch.drives) {
    const copy = join(scratch, `${drive.id}.img`);
    await runCommand({ tool: "cp", args: ["--sparse=always", "--reflink=auto", resolve(subject.dir, drive.path), copy] });
    copies[drive.id] = copy;
  }
  return copies;
}

/** A directory beside the artifacts, so that copies can share their blocks, or where nothing can be written there, a temporary one; removed afterwards. */
export async function inScratch<T>(dir: string, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(resolve(dir, ".."), ".hal-proof-")).catch(() => mkdtemp(join(tmpdir(), "hal-proof-")));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** How many boots at a time: each guest wants a processor of its own. */
export const PARALLEL_BOOTS = Math.max(1, Math.min(2, availableParallelism()));
