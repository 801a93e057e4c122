import { access, copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { confinement } from "../launch/confinement.js";
import { type Accel, carefulTcgCpu } from "../launch/qemu.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import { PCR_COUNT } from "./tpm-probe.js";

/** Time limit of one boot in seconds. */
const BOOT_SECONDS = 300;

/** What to boot with a TPM. The initrd, or the unified kernel image, contains the TPM probe. No file is changed. */
export type TpmBootFiles =
  | { readonly boot: "direct"; readonly kernel: string; readonly initrd: string; readonly cmdline: string }
  | { readonly boot: "uki-kernel"; readonly uki: string }
  | { readonly boot: "uki-disk"; readonly disk: string };

export interface TpmMachine {
  /** OVMF: one file with code and variables, or the code alone, with the variables in `vars`. */
  readonly firmware: string;
  readonly vars?: string;
  /** Bytes. */
  readonly memory: number;
  readonly accel: Accel;
  readonly signal?: AbortSignal;
}

/** What the first process of the guest read from TPM and firmware. */
export interface TpmReading {
  /** 24 PCR values (lower-case hex) for each bank of the TPM, by the kernel's name of the bank: `sha1`, `sha256`, … */
  readonly banks: Readonly<Record<string, readonly string[]>>;
  /** The bytes of binary_bios_measurements; empty when the kernel has no event log. */
  readonly eventLog: Buffer;
}

/**
 * Boots in QEMU with OVMF and a software TPM 2.0 (swtpm), and returns the PCRs and the event log at the start of the first process.
 * @throws HalError "tool" without QEMU, swtpm or busybox, "check" when the guest does not report in time
 */
export async function readTpm(files: TpmBootFiles, machine: TpmMachine): Promise<TpmReading> {
  const dir = await mkdtemp(join(tmpdir(), "hal-tpm-"));
  const stop = new AbortController();
  try {
    const tpm = runCommand(swtpmCommand(dir), { allowFailure: true, signal: stop.signal }).catch((error: unknown) => error);
    await waitForSocket(join(dir, "swtpm"), tpm);
    const flash = await copyFlash(dir, machine);
    const { tool, args } = qemuCommand(dir, files, machine, flash, await confinement());
    const result = await runCommand(
      { tool, args },
      { allowFailure: true, timeout: BOOT_SECONDS * 1000, ...(machine.signal === undefined ? {} : { signal: machine.signal }) },
    );
    const console = await readFile(join(dir, "console"), "latin1").catch(() => "");
    const report = await readFile(join(dir, "report"), "latin1").catch(() => "");
    if (!report.endsWith("\nend\n")) {
      throw new HalError("check", `the guest did not report its PCRs within ${BOOT_SECONDS} s (exit code of QEMU: ${result.exitCode})`, {
        details: [...result.stderr.trimEnd().split("\n"), ...console.trimEnd().split(/\r?\n/)].filter((line) => line !== "").slice(-12),
      });
    }
    return parseReport(report);
  } finally {
    stop.abort();
    await rm(dir, { recursive: true, force: true });
  }
}

function swtpmCommand(dir: string) {
  return {
    tool: "swtpm",
    args: ["socket", "--tpm2", "--tpmstate", `dir=${dir}`, "--ctrl", `type=unixio,path=${join(dir, "swtpm")}`, "--terminate"],
  };
}

async function waitForSocket(path: string, ended: Promise<unknown>): Promise<void> {
  let end: unknown;
  ended.then((value) => {
    end = value;
  });
  for (let tries = 0; tries < 100; tries++) {
    try {
      await access(path);
      return;
    } catch {
      if (end !== undefined) break;
      await sleep(50);
    }
  }
  if (end instanceof HalError) throw end;
  throw new HalError("command", "swtpm did not start");
}

/** Copies the firmware files, because firmware writes its variables. */
async function copyFlash(dir: string, { firmware, vars }: TpmMachine): Promise<string[]> {
  const files = [firmware, ...(vars === undefined ? [] : [vars])];
  return Promise.all(
    files.map(async (file, unit) => {
      const copy = join(dir, `flash${unit}`);
      await copyFile(file, copy);
      return copy;
    }),
  );
}

/** A minimal machine: without option ROMs and other disks, firmware measures only the image. */
function qemuCommand(dir: string, files: TpmBootFiles, machine: TpmMachine, flash: readonly string[], confined: readonly string[]) {
  const args = [
    ...["-machine", "q35", "-accel", machine.accel, "-nodefaults", "-no-reboot", "-display", "none"],
    ...["-cpu", machine.accel === "tcg" ? carefulTcgCpu : "host"],
    ...["-m", `${Math.floor(machine.memory / 1024 / 1024)}M`],
    ...flash.flatMap((file, unit) => ["-drive", `if=pflash,unit=${unit},format=raw,file=${file}`]),
    ...[
      "-chardev",
      `socket,id=tpm,path=${join(dir, "swtpm")}`,
      "-tpmdev",
      "emulator,id=tpm0,chardev=tpm",
      "-device",
      "tpm-crb,tpmdev=tpm0",
    ],
    ...["-serial", `file:${join(dir, "console")}`, "-serial", `file:${join(dir, "report")}`],
    ...bootArguments(files),
    ...confined,
  ];
  return { tool: "qemu-system-x86_64", args };
}

function bootArguments(files: TpmBootFiles): string[] {
  if (files.boot === "direct") return ["-kernel", files.kernel, "-initrd", files.initrd, "-append", files.cmdline];
  if (files.boot === "uki-kernel") return ["-kernel", files.uki];
  return ["-drive", `if=none,id=disk,format=raw,snapshot=on,file=${files.disk}`, "-device", "virtio-blk-pci,drive=disk,bootindex=0"];
}

function parseReport(report: string): TpmReading {
  const [values = "", log = ""] = report.split(/^log$/m);
  const banks: Record<string, string[]> = {};
  for (const [, bank = "", value = ""] of values.matchAll(/^pcr (\w+) \d+ ([0-9A-Fa-f]+)$/gm)) {
    banks[bank] ??= [];
    banks[bank].push(value.toLowerCase());
  }
  if (Object.keys(banks).length === 0 || Object.values(banks).some((bank) => bank.length !== PCR_COUNT)) {
    throw new HalError("check", "the kernel of the guest shows no PCRs", {
      remedy: "it needs CONFIG_TCG_TIS=y or CONFIG_TCG_CRB=y, and Linux 5.12 or later",
    });
  }
  return { banks, eventLog: Buffer.from(log.replace(/end\n$/, ""), "base64") };
}
