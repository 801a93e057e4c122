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
import { pathKind } from "../model/shares.js";
import { type FormatName, formats } from "./formats.js";
import { kvmWorks } from "./kvm.js";
import { nitroArgv } from "./nitro-cli.js";
import { type Accel, carefulTcgCpu, type QemuOptions, qemuArgv } from "./qemu.js";
import type { IdKeyFiles } from "./sign.js";
import { withoutTee } from "./without-tee.js";

export interface RunImageOptions {
  readonly accel: "auto" | Accel;
  /** Start the image as an ordinary virtual machine. */
  readonly withoutTee?: boolean;
  /** Return the command (or another format) instead of running it. */
  readonly print: boolean;
  readonly format: FormatName;
  /** The directory (9p) or virtiofsd socket (virtiofs) of each share, by tag. */
  readonly shares: Readonly<Record<string, string>>;
  /** SEV-SNP: keys that sign an ID block, so that the processor refuses any other image. */
  readonly idKeys?: IdKeyFiles;
  /** Stops the virtual machine when it aborts. */
  readonly signal?: AbortSignal;
  /** Receives each message for the user before the image starts. */
  readonly note: (text: string) => void;
}

export interface RunImageResult {
  /** The text in the requested format; only with `print`. */
  readonly text?: string;
  /** The exit code of QEMU or nitro-cli; only without `print`. */
  readonly exitCode?: number;
}

/**
 * Starts the image of an image directory on this terminal, in QEMU or with nitro-cli. With `print`, returns the command instead.
 * @throws HalError "input" if launch.json is missing, if a share is unknown or has no directory, or if a TEE has no KVM;
 * "tool" if QEMU or nitro-cli is missing
 */
export async function runImage(dir: string, options: RunImageOptions): Promise<RunImageResult> {
  if (options.idKeys !== undefined && options.withoutTee)
    throw new HalError("input", "only a SEV-SNP processor checks an ID block, and --platform none starts an ordinary machine", {
      remedy: "remove --id-key or --platform none",
    });
  const described = await readLaunch(dir);
  const base = resolve(dir);
  const signed = options.idKeys === undefined ? described : await (await import("./sign.js")).signLaunch(described, base, options.idKeys);
  const launch = options.withoutTee ? withoutTee(signed) : signed;
  refuseUnknownShares(launch, options.shares);
  if (options.print) {
    const accel = options.accel === "auto" ? "kvm" : options.accel;
    const accelOptions = accel === "tcg" ? { accel, cpuModel: tcgCpuModel(undefined) } : { accel };
    if (options.format === "qemu") notePlaceholders(launch, options);
    return { text: formats[options.format](launch, { base, shares: absolutePaths(options.shares), ...accelOptions }) };
  }
  if (launch.boot === "enclave") {
    const argv = nitroArgv(launch, { base });
    requireFiles(base, launch);
    if ((await findTool("nitro-cli")) === undefined)
      throw new HalError("tool", "nitro-cli is missing: an enclave starts only on an AWS instance that has enclaves enabled", {
        remedy: "on such an instance: dnf install aws-nitro-enclaves-cli; elsewhere: hal run --print, or --platform none",
      });
    options.note(formatCommand({ tool: "nitro-cli", args: argv.slice(1) }));
    return { exitCode: await runInTemporaryFolder(argv, options) };
  }
  const accel = await chooseAccel(options.accel, join(base, files.kernel));
  if (launch.tee !== undefined && accel !== "kvm") {
    throw new HalError("input", `platform ${launch.platform} needs TEE hardware and KVM, and KVM does not work on this host`, {
      remedy: "use --platform none to boot the same image as an ordinary virtual machine",
    });
  }
  requireFiles(base, launch);
  const startable = withoutMissingDevices(launch, options);
  const cpu = await chooseCpu(startable, accel);
  const argv = qemuArgv(startable, { base, accel, shares: absolutePaths(options.shares), snapshot: true, ...cpu });
  options.note(`${formatCommand({ tool: argv[0] ?? "", args: argv.slice(1) })}\n(in ${base}; press Ctrl-a x to stop)`);
  return { exitCode: await runInTemporaryFolder(argv, options) };
}

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
function tcgCpuModel(version: readonly [number, number] | undefined): string {
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

function refuseUnknownShares(launch: Launch, shares: Readonly<Record<string, string>>): void {
  const tags = launch.shares.map((share) => share.tag);
  for (const [tag, path] of Object.entries(shares)) {
    if (!tags.includes(tag))
      throw new HalError("input", `the image has no share ${tag}`, {
        remedy: tags.length === 0 ? "remove --share" : `use one of: ${tags.join(", ")}`,
      });
    if (path.includes("${"))
      throw new HalError("input", `the path of share ${tag} contains \${, which starts a variable in launch.json`, {
        remedy: "rename the directory",
      });
  }
}

/** Returns the shares without a path, in launch.json and from the caller. */
function missingShares(launch: Launch, shares: Readonly<Record<string, string>>): Launch["shares"] {
  return launch.shares.filter(({ tag, path }) => path === undefined && shares[tag] === undefined);
}

/** Notes each placeholder of the printed command that the user must replace. */
function notePlaceholders(launch: Launch, { shares, note }: RunImageOptions): void {
  for (const share of missingShares(launch, shares))
    note(`replace \${${share.variable}} by the ${pathKind(share)} of share ${share.tag}, or add --share ${share.tag}=PATH`);
}

/**
 * Removes the devices that this host cannot provide, and notes each one.
 * @throws HalError "input" if a guest of a TEE lacks the directory of a share, because such a guest starts only with all devices
 */
function withoutMissingDevices(launch: Launch, { shares, note }: RunImageOptions): Launch {
  const missing = missingShares(launch, shares);
  const flags = missing.map((share) => `--share ${share.tag}=DIR`).join(" ");
  if (platforms[launch.platform].confidential) {
    if (missing.length > 0)
      throw new HalError("input", `no directory given for share ${missing.map((share) => share.tag).join(", ")}`, {
        remedy: `add ${flags}`,
      });
    return launch;
  }
  if (missing.length > 0) note(`starting without ${missing.map((share) => `share ${share.tag}`).join(", ")} (to add: ${flags})`);
  const { vsock, ...rest } = launch;
  const noVsock = vsock !== undefined && !existsSync("/dev/vhost-vsock");
  if (noVsock) note("starting without vsock: this host has no /dev/vhost-vsock (to add: modprobe vhost_vsock)");
  return { ...(noVsock ? rest : launch), shares: launch.shares.filter((share) => !missing.includes(share)) };
}

function absolutePaths(shares: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(shares).map(([tag, path]) => [tag, resolve(path)]));
}

/** Runs a command in a temporary folder. QEMU creates monitor sockets there, and the folder of the image does not change. */
async function runInTemporaryFolder([tool = "", ...args]: readonly string[], { signal }: RunImageOptions): Promise<number> {
  const cwd = await mkdtemp(join(tmpdir(), "hal-run-"));
  try {
    return await runInteractive({ tool, args, cwd }, signal);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
