import { access, copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { carefulTcgCpu } from "../launch/qemu.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import type { RegisterValue } from "../measure/events.js";
import { pcrCount } from "./tpm-probe.js";

/** What to boot in front of a TPM; every file is left as it is. */
export type TpmBootFiles =
  | { readonly boot: "direct"; readonly kernel: string /** with the probe */; readonly initrd: string; readonly cmdline: string }
  /** The unified kernel image has the probe in its initrd. */
  | { readonly boot: "uki-kernel"; readonly uki: string }
  | { readonly boot: "uki-disk"; readonly disk: string };

export interface TpmMachine {
  /** OVMF: one file with code and variables, or the code with `vars` beside it. */
  readonly firmware: string;
  readonly vars?: string;
  /** Bytes. */
  readonly memory: number;
  /** Default `qemu-system-x86_64`. */
  readonly qemu?: string;
  readonly cpuModel?: string;
  readonly accel?: "kvm" | "tcg";
  /** After this many seconds the boot has failed. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
}

/** What the TPM and the firmware said, read inside the guest by the first process. */
export interface TpmReading {
  /** 24 values (hex, lower-case) per bank that the TPM has, by the kernel's name for it: `sha1`, `sha256`, … */
  readonly banks: Readonly<Record<string, readonly string[]>>;
  /** binary_bios_measurements; empty when the kernel has none. */
  readonly eventLog: Buffer;
  /** All that came out of the first serial port. */
  readonly console: string;
  /** Wall clock from QEMU's start to its end. */
  readonly seconds: number;
}

/**
 * Boots in QEMU with OVMF and a software TPM 2.0 (swtpm) and returns what the TPM held when the first process started.
 * @throws HalError "tool" without QEMU, swtpm or busybox, "check" when the guest does not report in time
 */
export async function readTpm(files: TpmBootFiles, machine: TpmMachine): Promise<TpmReading> {
  const dir = await mkdtemp(join(tmpdir(), "hal-tpm-"));
  const stop = new AbortController();
  const began = performance.now();
  try {
    const tpm = runCommand(swtpmCommand(dir), { allowFailure: true, signal: stop.signal }).catch((error: unknown) => error);
    await waitForSocket(join(dir, "swtpm"), tpm);
    const flash = await copyFlash(dir, machine);
    const { tool, args } = qemuCommand(dir, files, machine, flash);
    const seconds = machine.seconds ?? 300;
    const result = await runCommand(
      { tool, args },
      { allowFailure: true, timeout: seconds * 1000, ...(machine.signal === undefined ? {} : { signal: machine.signal }) },
    );
    const log = await readFile(join(dir, "console"), "latin1").catch(() => "");
    const report = await readFile(join(dir, "report"), "latin1").catch(() => "");
    if (!report.endsWith("\nend\n")) {
      throw new HalError("check", `the guest did not report its TPM within ${seconds} s (QEMU's exit code: ${result.exitCode})`, {
        details: [...result.stderr.trimEnd().split("\n"), ...log.trimEnd().split(/\r?\n/)].filter((line) => line !== "").slice(-12),
      });
    }
    return { ...parseReport(report), console: log, seconds: (performance.now() - began) / 1000 };
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

/** Firmware writes its variables: it gets copies. */
async function copyFlash(dir: string, { firmware, vars }: TpmMachine): Promise<string[]> {
  const files = [firmware, ...(vars === undefined ? [] : [vars])];
  return await Promise.all(
    files.map(async (file, unit) => {
      const copy = join(dir, `flash${unit}`);
      await copyFile(file, copy);
      return copy;
    }),
  );
}

/** The least machine: no option ROM, no disk but the image's, so that what firmware measures is what the image makes it measure. */
function qemuCommand(dir: string, files: TpmBootFiles, machine: TpmMachine, flash: readonly string[]) {
  const accel = machine.accel ?? "tcg";
  const args = [
    ...["-machine", "q35", "-accel", accel, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-cpu", machine.cpuModel ?? (accel === "tcg" ? carefulTcgCpu : "host")],
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
  ];
  return { tool: machine.qemu ?? "qemu-system-x86_64", args };
}

function bootArguments(files: TpmBootFiles): string[] {
  if (files.boot === "direct") return ["-kernel", files.kernel, "-initrd", files.initrd, "-append", files.cmdline];
  if (files.boot === "uki-kernel") return ["-kernel", files.uki];
  return ["-drive", `if=none,id=disk,format=raw,snapshot=on,file=${files.disk}`, "-device", "virtio-blk-pci,drive=disk,bootindex=0"];
}

function parseReport(report: string): Pick<TpmReading, "banks" | "eventLog"> {
  const [values = "", log = ""] = report.split(/^log$/m);
  const banks: Record<string, string[]> = {};
  for (const [, bank = "", value = ""] of values.matchAll(/^pcr (\w+) \d+ ([0-9A-Fa-f]+)$/gm)) {
    banks[bank] ??= [];
    banks[bank].push(value.toLowerCase());
  }
  if (Object.keys(banks).length === 0 || Object.values(banks).some((bank) => bank.length !== pcrCount)) {
    throw new HalError("check", "the guest's kernel shows no PCRs", {
      remedy: "the kernel needs CONFIG_TCG_TIS=y or CONFIG_TCG_CRB=y built in, and must be 5.12 or later",
    });
  }
  return { banks, eventLog: Buffer.from(log.replace(/end\n$/, ""), "base64") };
}

/** A predicted register beside what the TPM held. */
export interface TpmComparison {
  readonly register: string;
  readonly bank: string;
  readonly predicted: string;
  readonly read: string;
  readonly equal: boolean;
}

/** Every predicted value whose bank the TPM has. */
export function compareTpm(values: readonly RegisterValue[], { banks }: TpmReading): TpmComparison[] {
  return values.flatMap(({ register, bank, value }) => {
    const read = banks[bank]?.[Number(register.slice("pcr".length))];
    return read === undefined ? [] : [{ register, bank, predicted: value, read, equal: read === value }];
  });
}
