import { constants } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "../lib/errors.js";
import { cacheRoot } from "../lib/paths.js";
import { runCommand } from "../lib/tools.js";
import { ordinary } from "../model/platforms/index.js";
import { type Accel, carefulTcgCpu } from "./qemu.js";

/** A kernel without a root filesystem panics within two seconds under KVM. */
const PROBE_MILLISECONDS = 20_000;

/** The model that an ordinary guest gets: setting up the host's own is where nested KVM has been seen to fail. */
const cpus: Readonly<Record<Accel, string>> = { kvm: "host", tcg: carefulTcgCpu };

interface Answer {
  readonly boot: string;
  readonly works: boolean;
}

/**
 * Whether KVM boots Linux here. /dev/kvm can exist, open, run a few instructions and still fail later: a nested host
 * without hardware virtualization stops at an instruction that it cannot emulate. So a kernel is booted. The answer is
 * kept until the host's next boot.
 * @param kernel path of a bzImage
 */
export async function kvmWorks(kernel: string): Promise<boolean> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return false; // not kept: the user may join group kvm
  }
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
  const cache = join(cacheRoot(), "kvm-boots.json");
  const known = parseAnswer(await readFile(cache, "utf8").catch(() => ""));
  if (boot !== "" && known?.boot === boot) return known.works;
  const works = await bootsKernel(kernel, "kvm");
  // The cache only saves time: hal goes on where it cannot be written.
  await mkdir(cacheRoot(), { recursive: true })
    .then(() => writeFile(cache, JSON.stringify({ boot, works } satisfies Answer)))
    .catch(() => {});
  return works;
}

function parseAnswer(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return undefined;
  }
}

/**
 * Boots a kernel without root filesystem under an accelerator.
 * @returns true when the kernel came as far as the panic that nothing can be mounted
 */
export async function bootsKernel(kernel: string, accel: Accel, timeout = PROBE_MILLISECONDS): Promise<boolean> {
  const stop = new AbortController();
  const machine = ["-machine", "q35", "-cpu", cpus[accel], "-m", "512M", "-nodefaults", "-display", "none", "-no-reboot"];
  const start = ["-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 panic=-1"];
  const args = ["-accel", accel === "tcg" ? "tcg,thread=single" : accel, ...machine, ...start];
  let panicked = false;
  const onLine = (line: string): void => {
    if (line.includes("Kernel panic - not syncing")) panicked = true;
    // QEMU then stops the guest and waits for a debugger.
    if (line.includes("KVM internal error")) stop.abort();
  };
  const options = { allowFailure: true, timeout, onLine, signal: stop.signal };
  await runCommand({ tool: ordinary.emulator, args }, options).catch((error: unknown) => {
    if (!(error instanceof HalError) || error.kind !== "interrupted") throw error;
  });
  return panicked;
}
