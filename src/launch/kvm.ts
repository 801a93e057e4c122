import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheRoot } from "../lib/paths.js";
import { runCommand } from "../lib/tools.js";
import type { Accel } from "./qemu.js";

/** What `mov al,0x10; out 0xf4,al` makes of QEMU's exit code: isa-debug-exit leaves with (value << 1) | 1. */
const EXIT_CODE = 0x21;
const BIOS_BYTES = 64 * 1024;
/** At the reset vector, 16 bytes before the end: mov al,0x10; out 0xf4,al; hlt; jmp back to hlt. */
const RESET_VECTOR = [0xb0, 0x10, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd];
const PROBE_MILLISECONDS = 5000;

/** The model that an ordinary guest gets: setting up the host's own is where nested KVM has been seen to fail. */
const cpus: Readonly<Record<Accel, string>> = { kvm: "host", tcg: "max" };

interface Answer {
  readonly boot: string;
  readonly works: boolean;
}

/**
 * Whether KVM runs a guest here. /dev/kvm can exist, open and still fail at the first KVM_RUN (nested hosts), so a
 * seven-byte guest is started; the answer is kept until the next boot.
 */
export async function kvmWorks(): Promise<boolean> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return false; // not kept: the user may join group kvm
  }
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
  const cache = join(cacheRoot(), "kvm.json");
  const known = parseAnswer(await readFile(cache, "utf8").catch(() => ""));
  if (boot !== "" && known?.boot === boot) return known.works;
  const works = await runsGuest("kvm");
  // Only saves the next start a second: a cache that cannot be written is no reason not to start.
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

/** Starts a guest of seven bytes under an accelerator; true when its code ran. */
export async function runsGuest(accel: Accel): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), "hal-kvm-"));
  try {
    const bios = new Uint8Array(BIOS_BYTES);
    bios.set(RESET_VECTOR, BIOS_BYTES - 16);
    await writeFile(join(dir, "bios"), bios);
    const devices = ["-nodefaults", "-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"];
    const args = ["-accel", accel, "-machine", "q35", "-cpu", cpus[accel], "-m", "16M", "-bios", join(dir, "bios"), ...devices];
    const result = await runCommand({ tool: "qemu-system-x86_64", args }, { allowFailure: true, timeout: PROBE_MILLISECONDS });
    return result.exitCode === EXIT_CODE;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
