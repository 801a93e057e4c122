import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readLaunch } from "../bundle/documents.js";
import { readEventLog } from "../codecs/eventlog.js";
import { firmwareVersionIn } from "../codecs/firmware-volumes.js";
import { readFirmware } from "../codecs/ovmf.js";
import { qemuVersion } from "../launch/run.js";
import { withoutTee } from "../launch/without-tee.js";
import type { Bank } from "../lib/banks.js";
import { HalError } from "../lib/errors.js";
import { missingTool, runCommand } from "../lib/tools.js";
import type { RegisterValue } from "../measure/events.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { type MeasureRequest, readNamed } from "../measure/request.js";
import { firmwarePackages } from "../model/firmware-packages.js";
import type { Launch } from "../model/generated.js";
import { firstDivergences, registerMismatches } from "../verify/eventlog-compare.js";
import type { Check } from "./checks/index.js";
import type { Subject } from "./image.js";
import { copyDrives, inScratch, type ProveOptions } from "./prove.js";
import { compareTpm, readTpm, type TpmBootFiles, type TpmReading } from "./read-tpm.js";
import { replaceOnDisk, ukiWithTpmProbe, withTpmProbe } from "./tpm-probe.js";

const GiB = 2 ** 30;
/** A root in RAM is there compressed and unpacked at the same time. */
const UNPACKED = 6;

export interface ProveTpmOptions extends ProveOptions {
  /** The unified kernel image of a disk, started by `-kernel` and without the disk: what `hal measure --boot uki-kernel` predicts. */
  readonly boot?: "uki-kernel";
  /** A directory for the event log, the PCRs, and the file that had the probe in it. */
  readonly save?: string;
}

export interface TpmProof {
  readonly checks: readonly Check[];
  /** hal's arguments to judge what was saved. */
  readonly verify?: readonly string[];
}

/** What boots instead of the image's own: one file with the probe in it. */
interface Probed {
  readonly files: TpmBootFiles;
  /** What is measured of it, laid over what launch.json says. */
  readonly request: Partial<MeasureRequest>;
  readonly option: "--initrd" | "--uki";
  readonly bytes: Uint8Array;
}

/**
 * Boots the image as launch.json does, without a TEE (kernel, initrd and command line, or its disk), with OVMF and a software TPM, and
 * compares every predicted PCR in every bank with what the TPM held when the first process started, and the event log with the prediction.
 * @throws HalError "input" when another boot is asked for than the image has
 */
export async function proveTpm(subject: Subject, { accel, signal, save, boot }: ProveTpmOptions): Promise<TpmProof> {
  const described = await readLaunch(subject.dir);
  if (boot === "uki-kernel" && described.boot !== "disk")
    throw new HalError("input", "has no unified kernel image to start by -kernel", { at: { file: subject.dir }, remedy: "boot: uki" });
  const launch = described.boot === "disk" ? withoutTee(described) : subject.launch;
  const dir = resolve(subject.dir);
  const firmware = await chooseFirmware(launch, dir);
  const [major, minor] = await qemuVersion();
  return inScratch(dir, async (scratch) => {
    const probed = await (boot === "uki-kernel"
      ? probedUki(subject, launch, scratch)
      : launch.boot === "disk"
        ? probedDisk(subject, launch, scratch)
        : probedInitrd(launch, dir, scratch));
    const gib = Math.ceil(1 + (UNPACKED * probed.bytes.length) / GiB);
    const machine = { memory: `${gib}G`, qemuVersion: `${major}.${minor}`, firmwareVersion: firmware.version };
    const { values } = await measure({ ...launchRequest(launch, dir, "vtpm"), ...machine, firmware: firmware.file, ...probed.request });
    const predicted = values.map((value): RegisterValue => ({ ...value, bank: value.bank as Bank, steps: value.steps() }));
    const reading = await readTpm(probed.files, {
      ...firmware.flash,
      memory: gib * GiB,
      accel,
      ...(signal === undefined ? {} : { signal }),
    });
    const registers = compareTpm(predicted, reading).map(({ register, bank, predicted: expected, read, equal }) => ({
      name: `${register} ${bank}`,
      ok: equal,
      expected,
      found: read,
    }));
    const checks = [...registers, logCheck(reading, predicted)];
    if (save === undefined) return { checks };
    const kept = await keep(save, probed, reading);
    const words = Object.entries(machine).flatMap(([key, value]) => [
      `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
      value,
    ]);
    // hal verify judges the boot that launch.json describes.
    if (boot === "uki-kernel") return { checks };
    return { checks, verify: ["verify", subject.dir, "--platform", "none", ...kept, ...words] };
  });
}

/** The log must yield what the TPM holds, and be the predicted one event by event. */
function logCheck(reading: TpmReading, predicted: readonly RegisterValue[]): Check {
  const log = readEventLog(reading.eventLog, "binary_bios_measurements", "tpm");
  const given = log.banks.flatMap((bank) => (reading.banks[bank] ?? []).map((value, index) => ({ register: `pcr${index}`, bank, value })));
  const wrong = [...registerMismatches(log, given), ...firstDivergences(log, predicted).map(({ what }) => what)];
  const expected = `${log.events.length} events that yield the TPM's values and are the predicted ones`;
  return { name: "event log", ok: wrong.length === 0, expected, found: wrong[0] ?? expected };
}

async function probedInitrd(launch: Launch, dir: string, scratch: string): Promise<Probed> {
  const initrd = join(scratch, "initrd");
  const bytes = await withTpmProbe(await readFile(join(dir, launch.initrd?.path ?? "")), launch.cmdline);
  await writeFile(initrd, bytes);
  const kernel = join(dir, launch.kernel?.path ?? "bzImage");
  return {
    files: { boot: "direct", kernel, initrd, cmdline: launch.cmdline },
    request: { initrds: [initrd] },
    option: "--initrd",
    bytes,
  };
}

/** The unified kernel image with the probe in it, as a file. */
async function writeProbedUki({ dir }: Subject, launch: Launch, scratch: string) {
  const file = join(dir, "boot.efi");
  const original = await readFile(file);
  const bytes = await ukiWithTpmProbe(original, file, launch.cmdline);
  const uki = join(scratch, "boot.efi");
  await writeFile(uki, bytes);
  return { original, bytes, uki };
}

async function probedUki(subject: Subject, launch: Launch, scratch: string): Promise<Probed> {
  const { bytes, uki } = await writeProbedUki(subject, launch, scratch);
  return { files: { boot: "uki-kernel", uki }, request: { boot: "uki-kernel", uki }, option: "--uki", bytes };
}

async function probedDisk(subject: Subject, launch: Launch, scratch: string): Promise<Probed> {
  const { original, bytes, uki } = await writeProbedUki(subject, launch, scratch);
  const [disk = ""] = Object.values(await copyDrives({ ...subject, launch }, scratch));
  await replaceOnDisk(disk, original, bytes);
  return { files: { boot: "uki-disk", disk }, request: { uki, disk }, option: "--uki", bytes };
}

/** Writes what the machine showed and what it ran, and returns the options with which `hal verify` reads them. */
async function keep(dir: string, { option, bytes }: Probed, { banks, eventLog }: TpmReading): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const log = join(dir, "binary_bios_measurements");
  const registers = join(dir, "pcrs.txt");
  const probed = join(dir, option === "--uki" ? "boot.efi" : "initrd");
  const lines = Object.entries(banks).flatMap(([bank, values]) => values.map((value, index) => `pcr${index} ${bank} ${value}\n`));
  await writeFile(log, eventLog);
  await writeFile(registers, lines.join(""));
  await writeFile(probed, bytes);
  return ["--eventlog", log, "--registers", registers, option, probed];
}

/** The image's own where launch.json starts it without a TEE and its release is known, else the host's. */
async function chooseFirmware(launch: Launch, dir: string) {
  const { path, packageVersion, vars } = launch.firmware ?? {};
  if (path !== undefined) {
    const firmware = resolve(dir, path);
    const version = packageVersion ?? firmwareVersionIn(readFirmware((await readNamed(firmware)).bytes, firmware));
    const flash = { firmware, ...(vars === undefined ? {} : { vars: resolve(dir, vars.path) }) };
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
