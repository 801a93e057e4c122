import { linuxVersion, refuseWrittenInto } from "../../codecs/bzimage.js";
import { firmwareEvents, secureBootOf } from "../../codecs/firmware-volumes.js";
import { type Gpt, gptEvent } from "../../codecs/gpt.js";
import type { Firmware } from "../../codecs/ovmf.js";
import { readUki, stubEvents, stubInitrd, type Uki } from "../../codecs/uki.js";
import type { Bank } from "../../lib/banks.js";
import { HalError } from "../../lib/errors.js";
import { atLeast, parseVersion, type Version } from "../../lib/versions.js";
import { actions, type BootEvent, type NotPredicted, type RegisterValue, registerValues } from "../events.js";
import {
  type DirectBoot,
  firmwareGeneration,
  imageEvent,
  kernelEvent,
  linuxEvents,
  loadOptionsEvent,
  type NamedBytes,
} from "./kernel-boot.js";
import { secureBootEvents } from "./secure-boot.js";

interface Common {
  /** Banks of the TPM; default all three. The vTPM of COCONUT-SVSM has no SHA-1. */
  readonly banks?: readonly Bank[];
  /** Whether a device has an option ROM with an EFI driver, as QEMU's network cards do unless started with `romfile=`. */
  readonly optionRoms?: boolean;
  readonly firmwareVersion: string;
  /** For PCR 0 and 7; without it PCR 7 is that of Debian's OVMF.fd. */
  readonly firmware?: Firmware;
  /** Its store of variables, if that is another file. */
  readonly variables?: Uint8Array;
}

export type VtpmBoot = Common &
  (
    | ({ readonly boot: "direct" } & DirectBoot)
    /** A UKI started from the EFI system partition of a disk with this partition table, by the first boot option tried. */
    | { readonly boot: "uki-disk"; readonly uki: NamedBytes /** for PCR 5 */; readonly gpt?: Gpt }
    /** A UKI given to `-kernel`, without `-append` and `-initrd`. */
    | ({ readonly boot: "uki-kernel"; readonly uki: NamedBytes } & Pick<DirectBoot, "qemuVersion" | "guest">)
  );

/** Why these registers are never predicted. */
const notPredicted: readonly NotPredicted[] = [
  { register: "pcr1", why: "holds ACPI tables, SMBIOS and boot variables: it varies with the whole machine" },
  { register: "pcr8", why: "nothing of this boot chain extends it; boot loaders such as GRUB do" },
  { register: "pcr10", why: "belongs to Linux IMA, whose measurements depend on what runs and when" },
  {
    register: "pcr12",
    why: "nothing of this boot chain extends it; systemd-stub does for a command line or credentials from outside the image",
  },
  { register: "pcr13", why: "nothing of this boot chain extends it; systemd-stub does for system extensions" },
  { register: "pcr14", why: "nothing of this boot chain extends it; shim does" },
  { register: "pcr15", why: "left to the operating system" },
];

/**
 * PCR 0, 2 to 7, 9 and 11 of a vTPM after OVMF has booted Linux (TCG PC Client Platform Firmware Profile 3.3.4; edk2 Tcg2Dxe and
 * DxeTpm2MeasureBootLib), in the state in which the kernel starts its first process. Registers that depend on more than the inputs are
 * listed with the reason.
 * A kind "input" error for files that cannot be read and combinations whose measurement is not known.
 */
export function predictVtpm(boot: VtpmBoot): { readonly values: readonly RegisterValue[]; readonly notPredicted: readonly NotPredicted[] } {
  const generation = firmwareGeneration(boot.firmwareVersion);
  const debians = atLeast(generation, 2025, 2) ? "absent" : "disabled";
  const secureBoot = boot.firmware === undefined ? debians : secureBootOf(boot.firmware, boot.variables);
  // Since edk2 12c5ded287 the FAT driver gives up its caches when boot services end, which changes the memory map that the call was made with.
  const flushes = boot.boot === "uki-disk" && atLeast(generation, 2026, 8);
  const { images, disk, linux, stub, release } = eventsOf(boot);
  const code = codeEvents(boot, generation);
  const oldLinux = release !== undefined && !atLeast(release, oldestLinux.major, oldestLinux.minor);
  const noTable = boot.boot === "uki-disk" && boot.gpt === undefined;
  const registers: Readonly<Record<string, readonly BootEvent[]>> = {
    ...("why" in code ? {} : { pcr0: [...code.events, actions.separator] }),
    ...(boot.optionRoms ? {} : { pcr2: [actions.separator] }),
    pcr3: [actions.separator],
    pcr4: images,
    ...(noTable ? {} : { pcr5: [actions.separator, ...disk, ...(flushes ? actions.exitBootServicesTwice : actions.exitBootServices)] }),
    pcr6: [actions.separator],
    ...(secureBoot === undefined || secureBoot === "keys" ? {} : { pcr7: secureBootEvents(secureBoot) }),
    ...(oldLinux ? {} : { pcr9: linux }),
    pcr11: stub,
  };
  return {
    values: Object.entries(registers).flatMap(([register, events]) => registerValues(register, events, boot.banks)),
    notPredicted: [
      ...("why" in code ? [{ register: "pcr0", why: code.why }] : []),
      ...(boot.optionRoms
        ? [{ register: "pcr2", why: "holds the drivers in the option ROMs of the devices; start them with romfile= to leave those out" }]
        : []),
      ...(noTable ? [{ register: "pcr5", why: "holds the boot disk's partition table, and no disk is given (--disk FILE)" }] : []),
      ...(secureBoot === "keys"
        ? [{ register: "pcr7", why: "holds the firmware's Secure Boot keys, and whose signature each image has" }]
        : []),
      ...(secureBoot === undefined
        ? [{ register: "pcr7", why: "holds what the firmware makes of Secure Boot, and it is packed otherwise than OVMF" }]
        : []),
      ...(oldLinux ? [{ register: "pcr9", why: `what Linux ${release.text} measures is not known; since 6.1 it is` }] : []),
      ...notPredicted,
    ],
  };
}

/** The oldest kernel whose measurements are known from a boot: earlier ones measure fewer things, or none. */
const oldestLinux = { major: 6, minor: 1 } as const;

/** The edk2 release whose PEI volume is still what the file has when it is measured; earlier ones change it in memory first. */
const unchangedPei = "2026.08";

/** What PCR 0 holds before its separator, or why that is not known. */
function codeEvents({ firmware, firmwareVersion }: Common, { major, minor }: Version): { events: readonly BootEvent[] } | { why: string } {
  const what = "it holds the firmware's version and volumes";
  const compare = "compare it with a boot of the same firmware";
  if (firmware === undefined) return { why: `${what}, and no firmware for a machine without a TEE is given; ${compare}` };
  if (`${major}.${String(minor).padStart(2, "0")}` !== unchangedPei)
    return { why: `${what}, which are known to be measured as they are in the file with edk2 ${unchangedPei} only; ${compare}` };
  try {
    return { events: firmwareEvents(firmware, firmwareVersion) };
  } catch (error) {
    if (error instanceof HalError && error.kind === "input") return { why: `${what}. ${error.message}` };
    throw error;
  }
}

interface BootEvents {
  /** PCR 4 */
  readonly images: readonly BootEvent[];
  /** PCR 5, besides what every boot has */
  readonly disk: readonly BootEvent[];
  /** PCR 9 */
  readonly linux: readonly BootEvent[];
  /** PCR 11 */
  readonly stub: readonly BootEvent[];
  /** Of the kernel, if it says it. */
  readonly release: Version | undefined;
}

/** The order of PCR 4: BDS measures the call and the separators when it tries its first boot option; `-kernel` is loaded before that. */
function eventsOf(boot: VtpmBoot): BootEvents {
  const ready = [actions.callingApplication, actions.separator];
  if (boot.boot === "direct") {
    const release = linuxVersion(boot.kernel.bytes, boot.kernel.file);
    return { images: [kernelEvent(boot), ...ready], disk: [], linux: linuxEvents(boot), stub: [], release };
  }
  if (boot.boot === "uki-kernel" && boot.guest !== "sev") refuseWrittenInto(boot.uki.file, parseVersion(boot.qemuVersion, "QEMU version"));
  const uki = readUki(boot.uki.bytes, boot.uki.file);
  const outer = imageEvent(uki.image, "unified kernel image", "uki");
  const inner = imageEvent(uki.linux, "kernel in the unified kernel image", "uki");
  const release = linuxVersion(uki.linux.reader.bytes, boot.uki.file);
  const common = { linux: stubbedLinuxEvents(uki), stub: stubEvents(uki), release };
  return boot.boot === "uki-disk"
    ? { ...common, images: [...ready, outer, inner], disk: boot.gpt === undefined ? [] : [gptEvent(boot.gpt)] }
    : { ...common, images: [outer, ...ready, inner], disk: [] };
}

function stubbedLinuxEvents(uki: Uki): BootEvent[] {
  if (uki.cmdline === undefined || uki.cmdline === "")
    throw uki.image.reader.error(0, "UKI", "no section .cmdline: its command line would come from outside");
  const initrd = stubInitrd(uki);
  return [
    loadOptionsEvent(uki.cmdline),
    ...(initrd === undefined ? [] : [{ what: "initrd as systemd-stub combines it", ...initrd, from: "uki" }]),
  ];
}
