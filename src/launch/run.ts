import { resolve } from "node:path";
import { requireFiles } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { imageFile } from "../bundle/open.js";
import { HalError } from "../lib/errors.js";
import { findTool, formatCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import { confinement } from "./confinement.js";
import { requireFirmware, withFirmware } from "./firmware.js";
import { type FormatName, formats } from "./formats.js";
import { chooseAccel, chooseCpu, tcgCpuModel } from "./host.js";
import { readJudgedLaunch } from "./judge.js";
import { nitroArgv } from "./nitro-cli.js";
import {
  absoluteMonitor,
  absolutePaths,
  type CallerPowers,
  notePlaceholders,
  notePowers,
  refuseUnknownShares,
  withoutMissingDevices,
  withoutOtherQuoteService,
} from "./powers.js";
import { type Accel, qemuArgv } from "./qemu.js";
import { endingText } from "./qmp.js";
import type { IdKeyFiles } from "./sign.js";
import { type Ended, runOnTerminal, runQemu } from "./start.js";
import { withoutTee } from "./without-tee.js";

export interface RunImageOptions extends CallerPowers {
  readonly accel: "auto" | Accel;
  /** Start the image as an ordinary virtual machine. */
  readonly withoutTee?: boolean;
  /** Return the command (or another format) instead of running it. */
  readonly print: boolean;
  readonly format: FormatName;
  /** SEV-SNP: keys that sign an ID block, so that the processor refuses any other image. */
  readonly idKeys?: IdKeyFiles;
  /** Stops the virtual machine when it aborts. */
  readonly signal?: AbortSignal;
}

export interface RunImageResult {
  /** The text in the requested format; only with `print`. */
  readonly text?: string;
  /** How QEMU or nitro-cli ended; only without `print`. */
  readonly ended?: Ended;
  /** The image is a debug image. */
  readonly debug: boolean;
}

/**
 * Starts the image of an image directory on this terminal, in QEMU or with nitro-cli. With `print`, returns the command instead.
 * @throws HalError "input" if launch.json is missing, if a file that it names is not a regular file of the directory, if a share or firmware
 * is unknown or missing, or if a TEE has no KVM; "check" if hal would not have written launch.json; "tool" if QEMU or nitro-cli is missing
 */
export async function runImage(dir: string, options: RunImageOptions): Promise<RunImageResult> {
  if (options.idKeys !== undefined && options.withoutTee)
    throw new HalError("input", "only a SEV-SNP processor checks an ID block, and --platform none starts an ordinary machine", {
      remedy: "remove --id-key or --platform none",
    });
  const described = await readJudgedLaunch(dir);
  const base = resolve(dir);
  const complete = withFirmware(described, options.firmware ?? {});
  const signed = options.idKeys === undefined ? complete : await (await import("./sign.js")).signLaunch(complete, base, options.idKeys);
  const launch = options.withoutTee ? withoutTee(signed) : signed;
  refuseUnknownShares(launch, options.shares);
  const { debug } = launch;
  if (debug) options.note("DEBUG image: console and root login are enabled; do not trust it");
  if (options.print) return { text: printed(launch, base, options), debug };
  return {
    ended: launch.boot === "enclave" ? await startEnclave(launch, base, options) : await startMachine(launch, base, options),
    debug,
  };
}

function printed(launch: Launch, base: string, options: RunImageOptions): string {
  if (options.forwards.length + options.monitors.length > 0)
    throw new HalError("input", "a printed command contains the ports and monitors of launch.json", {
      remedy: "remove --forward and --monitor, or start the image without --print",
    });
  requireFiles(base, launch, "accept");
  const accel = options.accel === "auto" ? "kvm" : options.accel;
  const accelOptions = accel === "tcg" ? { accel, cpuModel: tcgCpuModel(undefined) } : { accel };
  if (options.format === "qemu") notePlaceholders(launch, options);
  return formats[options.format](launch, { base, shares: absolutePaths(options.shares), ...accelOptions });
}

async function startEnclave(launch: Launch, base: string, options: RunImageOptions): Promise<Ended> {
  if (options.forwards.length + options.monitors.length > 0)
    throw new HalError("input", "a Nitro enclave has neither a network nor a monitor", { remedy: "remove --forward and --monitor" });
  const argv = nitroArgv(launch, { base });
  requireFiles(base, launch);
  if ((await findTool("nitro-cli")) === undefined)
    throw new HalError("tool", "nitro-cli is missing: an enclave starts only on an AWS instance that has enclaves enabled", {
      remedy: "on such an instance: dnf install aws-nitro-enclaves-cli; elsewhere: hal run --print, or --platform none",
    });
  options.note(formatCommand({ tool: "nitro-cli", args: argv.slice(1) }));
  const began = performance.now();
  return { exitCode: await runOnTerminal(argv, options.signal), seconds: (performance.now() - began) / 1000 };
}

/** Adds to the command of launch.json what takes powers from QEMU, and of the host only what the caller gives. */
async function startMachine(launch: Launch, base: string, options: RunImageOptions): Promise<Ended> {
  const monitors = options.monitors.map(absoluteMonitor);
  const accel = options.accel === "auto" ? await chooseAccel("auto", imageFile(base, files.kernel)) : options.accel;
  if (launch.tee !== undefined && accel !== "kvm") {
    throw new HalError("input", `platform ${launch.platform} needs TEE hardware and KVM, and KVM does not work on this host`, {
      remedy: "use --platform none to boot the same image as an ordinary virtual machine",
    });
  }
  requireFirmware(launch, "it does not start without it");
  requireFiles(base, launch);
  const startable = withoutMissingDevices(withoutOtherQuoteService(launch, options.note), options);
  notePowers(startable, options);
  const cpu = await chooseCpu(startable, accel);
  const argv = qemuArgv(
    { ...startable, machine: { ...startable.machine, nodefaults: true } },
    {
      base,
      accel,
      shares: absolutePaths(options.shares),
      forwards: options.forwards,
      monitors,
      snapshot: true,
      ...cpu,
      extra: await confinement(platforms[launch.platform].emulator),
    },
  );
  options.note(`${formatCommand({ tool: argv[0] ?? "", args: argv.slice(1) })}\n(in ${base}; press Ctrl-a x to stop)`);
  return runQemu(argv, options.signal);
}

/**
 * Reports whether the guest ended by itself, in words. QEMU exits with 0 then, also if early boot failed: it powers off, and only a debug
 * image writes the reason to its console. hal cannot tell this from a shutdown that the image's own programs ask for, so the caller of a
 * production image gets the fact and the command that finds the reason.
 */
export function endedByItself({ ending, seconds }: Ended): string | undefined {
  if (ending === undefined || ending === "host-signal" || ending === "killed") return undefined;
  return `${endingText[ending]} after ${Math.round(seconds)} s`;
}
