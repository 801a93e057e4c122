import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readLaunch, requireFiles } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import { findTool, formatCommand, runCommand, runInteractive } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { ordinary, platforms } from "../model/platforms/index.js";
import { type FormatName, formats } from "./formats.js";
import { kvmWorks } from "./kvm.js";
import { nitroArgv } from "./nitro-cli.js";
import { type Accel, carefulTcgCpu, type QemuOptions, qemuArgv } from "./qemu.js";
import type { IdKeyFiles } from "./sign.js";
import { withoutTee } from "./without-tee.js";

export interface RunImageOptions {
  readonly accel: "auto" | Accel;
  /** Start it as an ordinary virtual machine. */
  readonly withoutTee?: boolean;
  /** Return how to start it instead of starting it. */
  readonly print: boolean;
  readonly format: FormatName;
  /** Directory or virtiofsd socket of a share, by tag. */
  readonly shares: Readonly<Record<string, string>>;
  /** SEV-SNP: sign an ID block with these, so that the processor refuses any other image. */
  readonly idKeys?: IdKeyFiles;
  /** Stops the machine. */
  readonly signal?: AbortSignal;
  /** Called with what the user should know before the image starts. */
  readonly note: (text: string) => void;
}

export interface RunImageResult {
  /** What `print` asked for. */
  readonly text?: string;
  /** Of QEMU or nitro-cli. */
  readonly exitCode?: number;
}

/**
 * Starts the image of an output directory in QEMU on this terminal, or returns how.
 * @throws HalError "input" for a directory without launch.json, shares that it does not have or lacks, a TEE without KVM;
 * "tool" when QEMU is missing
 */
export async function runImage(dir: string, options: RunImageOptions): Promise<RunImageResult> {
  if (options.idKeys !== undefined && options.withoutTee)
    throw new HalError("input", "an ID block is for the processor that checks it, and --platform none has none", {
      remedy: "leave out --id-key, or --platform none",
    });
  const described = await readLaunch(dir);
  const base = resolve(dir);
  const signed = options.idKeys === undefined ? described : await (await import("./sign.js")).signLaunch(described, base, options.idKeys);
  const launch = options.withoutTee ? withoutTee(signed) : signed;
  checkShares(launch, options.shares);
  if (options.print) {
    const accel = options.accel === "auto" ? "kvm" : options.accel;
    const how = accel === "tcg" ? { accel, cpuModel: tcgCpu(undefined) } : { accel };
    if (options.format === "qemu") tellPlaceholders(launch, options);
    return { text: formats[options.format](launch, { base, shares: absolute(options.shares), ...how }) };
  }
  if (launch.boot === "enclave") {
    const argv = nitroArgv(launch, { base });
    requireFiles(base, launch);
    if ((await findTool("nitro-cli")) === undefined)
      throw new HalError("tool", "nitro-cli is missing: an enclave starts from an AWS instance with enclaves on", {
        remedy: "dnf install aws-nitro-enclaves-cli there; elsewhere hal run --print, or --platform none",
      });
    options.note(formatCommand({ tool: "nitro-cli", args: argv.slice(1) }));
    return { exitCode: await start(argv, options) };
  }
  const accel = await chooseAccel(options.accel, join(base, files.kernel));
  if (launch.tee !== undefined && accel !== "kvm") {
    throw new HalError("input", `platform ${launch.platform} needs its hardware and KVM, and KVM does not work here`, {
      remedy: "hal run --platform none boots the same image as an ordinary virtual machine",
    });
  }
  requireFiles(base, launch);
  const local = await fitToHost(launch, options);
  const how: QemuOptions = { base, accel, shares: absolute(options.shares), snapshot: true, ...(await cpuFor(local, accel)) };
  const argv = qemuArgv(local, how);
  options.note(`${formatCommand({ tool: argv[0] ?? "", args: argv.slice(1) })}\n(${base}; to leave: Ctrl-a x)`);
  return { exitCode: await start(argv, options) };
}

/**
 * The accelerator to use: `auto` is KVM where it boots Linux, else TCG.
 * @param kernel path of a bzImage to try KVM with
 */
export async function chooseAccel(wanted: "auto" | Accel, kernel: string): Promise<Accel> {
  if (wanted !== "auto") return wanted;
  return (await kvmWorks(kernel)) ? "kvm" : "tcg";
}

/** The CPU model and count for an accelerator on this host; nothing where launch.json's own are right. */
export async function cpuFor(launch: Launch, accel: Accel): Promise<Pick<QemuOptions, "cpuModel" | "cpus">> {
  // Emulated CPUs beyond the host's own only wait for each other.
  if (accel === "tcg")
    return {
      cpuModel: tcgCpu(await qemuVersion(platforms[launch.platform].emulator)),
      cpus: Math.min(launch.cpu.count, availableParallelism()),
    };
  return platforms[launch.platform].confidential ? {} : { cpuModel: "host" };
}

/**
 * TCG emulates every CPU, and old releases do not have every model's name, so it takes all that it can emulate (`max`); a QEMU before
 * 8.1, or an unknown one, all but what crashes there.
 */
function tcgCpu(version: readonly [number, number] | undefined): string {
  const [major, minor] = version ?? [0, 0];
  return major > 8 || (major === 8 && minor >= 1) ? "max" : carefulTcgCpu;
}

/** Major and minor version of the installed QEMU. */
export async function qemuVersion(emulator = ordinary.emulator): Promise<readonly [number, number]> {
  const { stdout } = await runCommand({ tool: emulator, args: ["--version"] });
  const match = /version (\d+)\.(\d+)/.exec(stdout);
  if (match === null) throw new HalError("command", `${emulator} --version names no version`, { details: stdout.split("\n") });
  return [Number(match[1]), Number(match[2])];
}

function checkShares(launch: Launch, shares: Readonly<Record<string, string>>): void {
  const tags = launch.shares.map((share) => share.tag);
  for (const [tag, path] of Object.entries(shares)) {
    if (!tags.includes(tag))
      throw new HalError("input", `the image has no share ${tag}`, {
        remedy: tags.length === 0 ? "it has none" : `it has ${tags.join(", ")}`,
      });
    if (path.includes("${"))
      throw new HalError("input", `share ${tag}: the path holds \${, which stands for a variable in launch metadata`);
  }
}

/** The printed command runs as it is but for these words, which no shell fills in. */
function tellPlaceholders(launch: Launch, { shares, note }: RunImageOptions): void {
  for (const share of launch.shares.filter(({ tag, path }) => path === undefined && shares[tag] === undefined))
    note(
      `\${${share.variable}} stands for the ${share.type === "9p" ? "directory" : "virtiofsd socket"} of share ${share.tag}: --share ${share.tag}=PATH`,
    );
}

/** Leaves out what this host cannot give an ordinary virtual machine; a TEE guest gets everything or does not start. */
async function fitToHost(launch: Launch, { shares, note }: RunImageOptions): Promise<Launch> {
  const missing = launch.shares.filter((share) => share.path === undefined && shares[share.tag] === undefined);
  const flags = missing.map((share) => `--share ${share.tag}=DIR`).join(" ");
  if (platforms[launch.platform].confidential) {
    if (missing.length > 0)
      throw new HalError("input", `${missing.map((share) => share.tag).join(", ")}: no directory to share`, { remedy: flags });
    return launch;
  }
  if (missing.length > 0) note(`started without ${missing.map((share) => `share ${share.tag}`).join(", ")} (${flags})`);
  const { vsock, ...rest } = launch;
  const noVsock = vsock !== undefined && !existsSync("/dev/vhost-vsock");
  if (noVsock) note("started without vsock: this host has no /dev/vhost-vsock (modprobe vhost_vsock)");
  return { ...(noVsock ? rest : launch), shares: launch.shares.filter((share) => !missing.includes(share)) };
}

function absolute(shares: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(shares).map(([tag, path]) => [tag, resolve(path)]));
}

/** Runs in a folder of its own, where monitor sockets may land; the image's folder stays as published. */
async function start([tool = "", ...args]: readonly string[], { signal }: RunImageOptions): Promise<number> {
  const cwd = await mkdtemp(join(tmpdir(), "hal-run-"));
  try {
    return await runInteractive({ tool, args, cwd }, signal);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
