import { cmdlineBytes } from "../../codecs/cmdline.js";
import { type PeImage, readPe, x86Machine } from "../../codecs/pe.js";
import { digestsOf, type MeasuredFile } from "../../lib/banks.js";
import type { NamedBytes } from "../../lib/bytes.js";
import { HalError } from "../../lib/errors.js";
import { atLeast, parseVersion, type Version } from "../../lib/versions.js";
import type { Platform } from "../../model/platforms/platform.js";
import type { BootEvent } from "../events.js";
import { authenticode } from "./authenticode.js";
import { kernelAsLoaded } from "./qemu-kernel.js";

/** Direct kernel boot: the files and the command line that QEMU's `-kernel`, `-initrd` and `-append` pass to OVMF. */
export interface DirectBoot {
  readonly kernel: NamedBytes;
  readonly initrd?: MeasuredFile;
  readonly cmdline: string;
  /** Bytes of guest memory. */
  readonly memory: number;
  readonly machine?: "q35" | "pc";
  /** `10.0.2`, … */
  readonly qemuVersion: string;
  /** edk2's stable tag, such as `2025.02`, or the version of Debian's package ovmf. */
  readonly firmwareVersion: string;
  /** The kind of guest. QEMU changes the kernel's header for some. */
  readonly guest?: Platform["kernelHeader"];
}

/** The oldest edk2 release whose measurements were compared with a boot. */
const oldestFirmware = { major: 2022, minor: 11 } as const;

/** The edk2 release; a kind "input" error for one that is older than hal knows. */
export function firmwareGeneration(text: string): Version {
  const version = parseVersion(text, "firmware version");
  if (!atLeast(version, oldestFirmware.major, oldestFirmware.minor)) {
    throw new HalError("input", `firmware version: edk2 ${text} is older than 2022.11, the oldest whose measurements are known`);
  }
  return version;
}

/** The event for the kernel's PE image, as OVMF loads it. */
export function kernelEvent(boot: DirectBoot): BootEvent {
  const { file, bytes } = boot.kernel;
  const loaded = kernelAsLoaded(bytes, file, {
    memory: boot.memory,
    machine: boot.machine ?? "q35",
    ...(boot.initrd === undefined ? {} : { initrdSize: boot.initrd.size }),
    cmdline: boot.cmdline,
    qemuVersion: parseVersion(boot.qemuVersion, "QEMU version"),
    firmwareVersion: firmwareGeneration(boot.firmwareVersion),
    guest: boot.guest ?? "plain",
  });
  const patched = loaded !== bytes;
  return imageEvent(
    readPe(loaded, file),
    patched ? "kernel, its header filled in by QEMU" : "kernel",
    patched ? "kernel, memory, initrd size" : "kernel",
  );
}

/** The event for a PE image that x86-64 firmware loads. */
export function imageEvent(image: PeImage, what: string, from: string): BootEvent {
  if (image.machine !== x86Machine) throw image.reader.error(0, "COFF header", `machine 0x${image.machine.toString(16)} is not x86-64`);
  return { what: `${what} (Authenticode)`, digests: authenticode(image), size: image.reader.length, from };
}

/**
 * The events of Linux's EFI stub (drivers/firmware/efi/libstub, efi_measure_tagged_event): the load options, then the initrd. With an
 * initrd, OVMF adds `initrd=initrd` to the command line: at its end up to edk2 2025.05, at its start since 2025.08 (edk2 a2ac0fea49).
 */
export function linuxEvents(boot: DirectBoot): BootEvent[] {
  if (boot.initrd?.size === 0) throw new HalError("input", "initrd: it is empty");
  const prefixed = atLeast(firmwareGeneration(boot.firmwareVersion), 2025, 8);
  // edk2 makes each byte a character (UnicodeSPrintAsciiFormat, %a), whatever the encoding of the text.
  const cmdline = cmdlineBytes(boot.cmdline).toString("latin1");
  const text = boot.initrd === undefined ? cmdline : prefixed ? `initrd=initrd ${cmdline}` : `${cmdline} initrd=initrd`;
  if (text === "")
    throw new HalError(
      "input",
      "command line: a kernel without command line and initrd receives no load options, and hal does not know what it measures then",
    );
  const options = loadOptionsEvent(text);
  return boot.initrd === undefined
    ? [options]
    : [options, { what: "initrd", digests: boot.initrd.digests, size: boot.initrd.size, from: "initrd" }];
}

/** The event for load options: the text in UTF-16LE with its NUL. */
export function loadOptionsEvent(text: string): BootEvent {
  const bytes = Buffer.from(`${text}\0`, "utf16le");
  return { what: `load options '${text}'`, digests: digestsOf(bytes), size: bytes.length, from: "cmdline" };
}
