import { constants } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HalError } from "../lib/errors.js";
import { cacheRoot } from "../lib/paths.js";
import { runCommand } from "../lib/tools.js";
import { ordinary } from "../model/platforms/index.js";
import { confinement } from "./confinement.js";
import { type Accel, carefulTcgCpu } from "./qemu.js";

/** Under KVM, a kernel without a root filesystem panics within two seconds. */
const PROBE_MILLISECONDS = 20_000;

/** The CPU models of ordinary guests. The probe uses them too, because nested KVM failed in tests while it set up `host`. */
const cpus: Readonly<Record<Accel, string>> = { kvm: "host", tcg: carefulTcgCpu };

interface ProbeResult {
  /** The kernel's boot id, which changes at each boot of the host. */
  readonly boot: string;
  readonly works: boolean;
}

/**
 * Reports whether KVM boots Linux on this host. hal boots a kernel to find out, because an open /dev/kvm is no proof.
 * On a nested host without hardware virtualization, a guest starts and runs some instructions.
 * It then stops at the first instruction that the host cannot emulate. hal caches the result until the next boot of the host.
 * @param kernel path of a bzImage
 */
export async function kvmWorks(kernel: string): Promise<boolean> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return false; // Not cached, because the user can join the group kvm.
  }
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
  const cache = join(cacheRoot(), "kvm-boots.json");
  const known = parseProbeResult(await readFile(cache, "utf8").catch(() => ""));
  if (boot !== "" && known?.boot === boot) return known.works;
  const works = await bootsKernel(kernel, "kvm");
  // The cache only saves time, so hal ignores a failed write.
  await mkdir(cacheRoot(), { recursive: true })
    .then(() => writeFile(cache, JSON.stringify({ boot, works } satisfies ProbeResult)))
    .catch(() => {});
  return works;
}

function parseProbeResult(text: string): ProbeResult | undefined {
  try {
    return JSON.parse(text) as ProbeResult;
  } catch {
    return undefined;
  }
}

/**
 * Boots a kernel without a root filesystem.
 * @param kernel path of a bzImage
 * @param timeout milliseconds
 * @returns true if the kernel panics because it finds no root filesystem
 * @throws HalError "tool" if QEMU is missing
 */
export async function bootsKernel(kernel: string, accel: Accel, timeout = PROBE_MILLISECONDS): Promise<boolean> {
  const stop = new AbortController();
  const machine = ["-machine", "q35", "-cpu", cpus[accel], "-m", "512M", "-nodefaults", "-display", "none", "-no-reboot"];
  const start = ["-serial", "stdio", "-kernel", kernel, "-append", "console=ttyS0 panic=-1"];
  const args = ["-accel", accel === "tcg" ? "tcg,thread=single" : accel, ...machine, ...start, ...(await confinement())];
  let panicked = false;
  const onLine = (line: string): void => {
    if (line.includes("Kernel panic - not syncing")) panicked = true;
    // After this error, QEMU stops the guest and waits for a debugger.
    if (line.includes("KVM internal error")) stop.abort();
  };
  const options = { allowFailure: true, timeout, onLine, signal: stop.signal };
  await runCommand({ tool: ordinary.emulator, args }, options).catch((error: unknown) => {
    if (!(error instanceof HalError) || error.kind !== "interrupted") throw error;
  });
  return panicked;
}
