import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { files } from "../bundle/files.js";
import { imageFile, readImageFile } from "../bundle/open.js";
import { readEventLog } from "../codecs/eventlog.js";
import { firmwareVersionIn } from "../codecs/firmware-volumes.js";
import { readFirmware } from "../codecs/ovmf.js";
import { qemuVersion } from "../launch/host.js";
import { withoutTee } from "../launch/without-tee.js";
import { HalError } from "../lib/errors.js";
import { missingTool, runCommand } from "../lib/tools.js";
import type { RegisterValue } from "../measure/events.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { type MeasureRequest, readNamed } from "../measure/request.js";
import { firmwarePackages } from "../model/firmware-packages.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";
import { firstDivergences, predictedRegisters, registerMismatches } from "../verify/eventlog-compare.js";
import { copyDrives, maxInitrd, type ProveOptions, withScratchDir } from "./boot-config.js";
import { type Check, check } from "./checks/check.js";
import type { ImageUnderTest } from "./image.js";
import { readTpm, type TpmBootFiles, type TpmReading } from "./read-tpm.js";
import { initrdWithTpmProbe, replaceOnDisk, ukiWithTpmProbe } from "./tpm-probe.js";

const GiB = 2 ** 30;
/** A root in RAM needs memory for the compressed initrd and for its unpacked files at the same time: this many times the initrd's size. */
const MEMORY_PER_INITRD_BYTE = 6;

export interface ProveTpmOptions extends ProveOptions {
  /** Boot the unified kernel image of the disk with `-kernel`, without the disk. `hal measure --boot uki-kernel` predicts this boot. */
  readonly boot?: "uki-kernel";
  /** Save the event log, the PCRs and the file with the TPM probe in this directory. */
  readonly save?: string;
}

export interface TpmProof {
  readonly checks: readonly Check[];
  /** Arguments of the hal command that verifies the saved files. */
  readonly verify?: readonly string[];
}

/** A boot of the image with the TPM probe in its initrd. */
interface ProbedBoot {
  readonly files: TpmBootFiles;
  /** What differs in the request for the prediction. */
  readonly request: Partial<MeasureRequest>;
  /** The option of `hal verify` for the file with the probe, and the bytes of that file. */
  readonly option: "--initrd" | "--uki";
  readonly bytes: Uint8Array;
}

/**
 * Boots the image as launch.json describes (kernel, initrd and command line, or the disk), without a TEE, with OVMF and a software TPM. Checks
 * that the TPM has every predicted PCR value in every bank when the first process starts, and that the event log is the predicted one.
 * @throws HalError "input" for `boot: "uki-kernel"` and an image without a unified kernel image; as `readTpm`
 */
export async function proveTpm(image: ImageUnderTest, { accel, signal, save, boot }: ProveTpmOptions): Promise<TpmProof> {
  const fromDisk = image.described.boot === "disk";
  if (boot === "uki-kernel" && !fromDisk)
    throw new HalError("input", "contains no unified kernel image to start with -kernel", {
      at: { file: image.dir },
      remedy: "build it with boot: uki",
    });
  const launch = fromDisk ? withoutTee(image.described) : image.launch;
  const dir = resolve(image.dir);
  const firmware = await chooseFirmware(launch, dir);
  const [major, minor] = await qemuVersion();
  return withScratchDir(dir, async (scratch) => {
    const probed = await (boot === "uki-kernel"
      ? probedUki(dir, launch, scratch)
      : fromDisk
        ? probedDisk(dir, launch, scratch)
        : probedInitrd(dir, launch, scratch));
    const gib = Math.ceil(1 + (MEMORY_PER_INITRD_BYTE * probed.bytes.length) / GiB);
    const machine = { memory: `${gib}G`, qemuVersion: `${major}.${minor}`, firmwareVersion: firmware.version };
    const request = { ...launchRequest(launch, dir, "vtpm"), ...machine, firmware: firmware.file, ...probed.request };
    const predicted = predictedRegisters(await measure(request));
    const stop = signal === undefined ? {} : { signal };
    const reading = await readTpm(probed.files, { ...firmware.flash, memory: gib * GiB, accel, ...stop });
    const checks = [...pcrChecks(reading, predicted), eventLogCheck(reading, predicted)];
    if (save === undefined) return { checks };
    const saved = await saveReading(save, probed, reading);
    // `hal verify` predicts only the boot that launch.json describes.
    if (boot === "uki-kernel") return { checks };
    const options = Object.entries(machine).flatMap(([name, value]) => [`--${dashed(name)}`, value]);
    return { checks, verify: ["verify", image.dir, "--platform", "none", ...saved, ...options] };
  });
}

/** `qemuVersion` → `qemu-version`. */
function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Every predicted value whose bank the TPM has must be in the TPM. */
function pcrChecks({ banks }: TpmReading, predicted: readonly RegisterValue[]): Check[] {
  return predicted.flatMap(({ register, bank, value }) => {
    const found = banks[bank]?.[Number(register.slice("pcr".length))];
    return found === undefined ? [] : [check(`${register} ${bank}`, found === value, value, found)];
  });
}

/** A replay of the event log must give the values in the TPM, and each event must be the predicted one. */
function eventLogCheck({ banks, eventLog }: TpmReading, predicted: readonly RegisterValue[]): Check {
  const log = readEventLog(eventLog, "binary_bios_measurements", "tpm");
  const reported = log.banks.flatMap((bank) => (banks[bank] ?? []).map((value, index) => ({ register: `pcr${index}`, bank, value })));
  const wrong = [...registerMismatches(log, reported), ...firstDivergences(log, predicted).map(({ what }) => what)];
  const expected = `${log.events.length} predicted events that replay to the values in the TPM`;
  return check("event log", wrong.length === 0, expected, wrong[0] ?? expected);
}

async function probedInitrd(dir: string, launch: Launch, scratch: string): Promise<ProbedBoot> {
  const initrd = join(scratch, "initrd");
  const bytes = await initrdWithTpmProbe(await readImageFile(dir, launch.initrd?.path ?? "", maxInitrd), launch.cmdline);
  await writeFile(initrd, bytes);
  const kernel = imageFile(dir, launch.kernel?.path ?? files.kernel);
  return {
    files: { boot: "direct", kernel, initrd, cmdline: launch.cmdline },
    request: { initrds: [initrd] },
    option: "--initrd",
    bytes,
  };
}

/** Writes the unified kernel image with the TPM probe to a file, and returns its path and the bytes of both images. */
async function writeProbedUki(dir: string, launch: Launch, scratch: string) {
  const file = join(dir, files.uki);
  const original = await readImageFile(dir, files.uki, maxInitrd);
  const bytes = await ukiWithTpmProbe(original, file, launch.cmdline);
  const uki = join(scratch, files.uki);
  await writeFile(uki, bytes);
  return { original, bytes, uki };
}

async function probedUki(dir: string, launch: Launch, scratch: string): Promise<ProbedBoot> {
  const { bytes, uki } = await writeProbedUki(dir, launch, scratch);
  return { files: { boot: "uki-kernel", uki }, request: { boot: "uki-kernel", uki }, option: "--uki", bytes };
}

async function probedDisk(dir: string, launch: Launch, scratch: string): Promise<ProbedBoot> {
  const { original, bytes, uki } = await writeProbedUki(dir, launch, scratch);
  const [disk = ""] = Object.values(await copyDrives(dir, launch, scratch));
  await replaceOnDisk(disk, original, bytes);
  return { files: { boot: "uki-disk", disk }, request: { uki, disk }, option: "--uki", bytes };
}

/** Saves the event log, the PCRs and the file with the probe; returns the options of `hal verify` that name them. */
async function saveReading(dir: string, { option, bytes }: ProbedBoot, { banks, eventLog }: TpmReading): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const log = join(dir, "binary_bios_measurements");
  const registers = join(dir, "pcrs.txt");
  const probed = join(dir, option === "--uki" ? files.uki : "initrd");
  const lines = Object.entries(banks).flatMap(([bank, values]) => values.map((value, index) => `pcr${index} ${bank} ${value}\n`));
  await writeFile(log, eventLog);
  await writeFile(registers, lines.join(""));
  await writeFile(probed, bytes);
  return ["--eventlog", log, "--registers", registers, option, probed];
}

/**
 * The firmware to boot and its edk2 release: the image's own if launch.json names it for a boot without a TEE and its release is known,
 * otherwise the host's OVMF package.
 */
async function chooseFirmware(launch: Launch, dir: string) {
  const { path, packageVersion, vars } = launch.firmware ?? {};
  if (path !== undefined && firmwarePlaceholder({ path }) === undefined) {
    const firmware = imageFile(dir, path);
    const version = packageVersion ?? firmwareVersionIn(readFirmware((await readNamed(firmware)).bytes, firmware));
    const flash = { firmware, ...(vars === undefined ? {} : { vars: imageFile(dir, vars.path) }) };
    if (version !== undefined) return { flash, file: firmware, version };
  }
  return { flash: { firmware: firmwarePackages.ovmf.path }, file: firmwarePackages.ovmf.path, version: await installedFirmware() };
}

async function installedFirmware(): Promise<string> {
  const { exitCode, stdout } = await runCommand(
    { tool: "dpkg-query", args: ["--show", "--showformat=${Version}", "ovmf"] },
    { allowFailure: true },
  );
  if (exitCode === 0 && stdout !== "") return stdout;
  throw missingTool(firmwarePackages.ovmf.path);
}
