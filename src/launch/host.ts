import { availableParallelism } from "node:os";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { ordinary, platforms } from "../model/platforms/index.js";
import { kvmWorks } from "./kvm.js";
import { type Accel, carefulTcgCpu, type QemuOptions } from "./qemu.js";

/**
 * Returns the accelerator to use. `auto` selects KVM if KVM boots Linux, else TCG.
 * @param kernel path of a bzImage, which hal boots to test KVM
 */
export async function chooseAccel(wanted: "auto" | Accel, kernel: string): Promise<Accel> {
  if (wanted !== "auto") return wanted;
  return (await kvmWorks(kernel)) ? "kvm" : "tcg";
}

/**
 * Returns the CPU model and count for an accelerator on this host, where they must differ from launch.json.
 * The result is empty if launch.json fits.
 */
export async function chooseCpu(launch: Launch, accel: Accel): Promise<Pick<QemuOptions, "cpuModel" | "cpus">> {
  // More emulated CPUs than host CPUs only slow the guest down.
  if (accel === "tcg")
    return {
      cpuModel: tcgCpuModel(await qemuVersion(platforms[launch.platform].emulator)),
      cpus: Math.min(launch.cpu.count, availableParallelism()),
    };
  return platforms[launch.platform].confidential ? {} : { cpuModel: "host" };
}

/**
 * Returns the CPU model for TCG. It has all features of TCG, because old releases of QEMU lack the names of newer CPUs.
 * Before QEMU 8.1, one feature is left out (see `carefulTcgCpu`).
 * @param version of QEMU; undefined if unknown, which is treated as older than 8.1
 */
export function tcgCpuModel(version: readonly [number, number] | undefined): string {
  const [major, minor] = version ?? [0, 0];
  return major > 8 || (major === 8 && minor >= 1) ? "max" : carefulTcgCpu;
}

/**
 * Returns the major and minor version of the installed QEMU.
 * @throws HalError "tool" if QEMU is missing; "command" if it reports no version
 */
export async function qemuVersion(emulator = ordinary.emulator): Promise<readonly [number, number]> {
  const { stdout } = await runCommand({ tool: emulator, args: ["--version"] });
  const match = /version (\d+)\.(\d+)/.exec(stdout);
  if (match === null) throw new HalError("command", `${emulator} --version reports no version`, { details: stdout.split("\n") });
  return [Number(match[1]), Number(match[2])];
}
