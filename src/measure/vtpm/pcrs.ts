import { linuxVersion } from "../../codecs/bzimage.js";
import { secureBootOf } from "../../codecs/firmware-volumes.js";
import type { Gpt } from "../../codecs/gpt.js";
import type { Firmware } from "../../codecs/ovmf.js";
import { readUki, type Uki } from "../../codecs/uki.js";
import type { Bank } from "../../lib/banks.js";
import type { NamedBytes } from "../../lib/bytes.js";
import { HalError } from "../../lib/errors.js";
import { atLeast, parseVersion, type Version } from "../../lib/versions.js";
import { actions, type BootEvent, type NotPredicted, type RegisterValue, registerValues } from "../events.js";
import { firmwareEvents } from "./firmware-code.js";
import { type DirectBoot, firmwareGeneration, imageEvent, kernelEvent, linuxEvents, loadOptionsEvent } from "./kernel-boot.js";
import { gptEvent } from "./partition-table.js";
import { refuseChangedImage } from "./qemu-kernel.js";
import { secureBootEvents } from "./secure-boot.js";
import { stubEvents, stubInitrd } from "./systemd-stub.js";

interface Common {
  /** Banks of the TPM; all three by default. The vTPM of COCONUT-SVSM has no SHA-1. */
  readonly banks?: readonly Bank[];
  /** Whether a device has an option ROM with an EFI driver. QEMU's network cards have one unless started with `romfile=`. */
  readonly optionRoms?: boolean;
  readonly firmwareVersion: string;
  /** For PCR 0 and 7. Without it, PCR 7 holds for Debian's OVMF.fd. */
  readonly firmware?: Firmware;
  /** The firmware's store of variables, if it is another file. */
  readonly variables?: Uint8Array;
}

export type VtpmBoot = Common &
  (
    | ({ readonly boot: "direct" } & DirectBoot)
    /** A UKI on the EFI system partition of a disk, started by the first boot option. PCR 5 needs the partition table. */
    | { readonly boot: "uki-disk"; readonly uki: NamedBytes; readonly gpt?: Gpt }
    /** A UKI passed to `-kernel`, without `-append` and `-initrd`. */
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
 * Predicts PCR 0, 2 to 7, 9 and 11 of a vTPM at the moment when Linux, booted by OVMF, starts its first process (TCG PC Client Platform
 * Firmware Profile 3.3.4; edk2 Tcg2Dxe and DxeTpm2MeasureBootLib). `notPredicted` lists the registers that depend on more than these
 * files and settings.
 * A kind "input" error for files that cannot be read and combinations whose measurement is not known.
 */
export function predictVtpm(boot: VtpmBoot): { readonly values: readonly RegisterValue[]; readonly notPredicted: readonly NotPredicted[] } {
  const generation = firmwareGeneration(boot.firmwareVersion);
  const debianDefault = atLeast(generation, 2025, 2) ? "absent" : "disabled";
  const secureBoot = boot.firmware === undefined ? debianDefault : secureBootOf(boot.firmware, boot.variables);
  // Since edk2 12c5ded287, the FAT driver frees its caches in ExitBootServices. That changes the memory map, so the first call fails.
  const exitsTwice = boot.boot === "uki-disk" && atLeast(generation, 2026, 8);
  const { images, disk, linux, stub, release } = eventsOf(boot);
  const code = codeEvents(boot, generation);
  const oldLinux = release !== undefined && !atLeast(release, oldestLinux.major, oldestLinux.minor);
  const noTable = boot.boot === "uki-disk" && boot.gpt === undefined;
  const registers: Readonly<Record<string, readonly BootEvent[]>> = {
    ...("why" in code ? {} : { pcr0: [...code.events, actions.separator] }),
    ...(boot.optionRoms ? {} : { pcr2: [actions.separator] }),
    pcr3: [actions.separator],
    pcr4: images,
    ...(noTable ? {} : { pcr5: [actions.separator, ...disk, ...(exitsTwice ? actions.exitBootServicesTwice : actions.exitBootServices)] }),
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
        ? [{ register: "pcr7", why: "holds the Secure Boot state of the firmware, and hal cannot unpack this firmware" }]
        : []),
      ...(oldLinux ? [{ register: "pcr9", why: `what Linux ${release.text} measures is not known; since 6.1 it is` }] : []),
      ...notPredicted,
    ],
  };
}

/** The oldest kernel whose measurements were compared with a boot. Earlier ones measure less, or nothing. */
const oldestLinux = { major: 6, minor: 1 } as const;

/** The edk2 release that measures the PEI volume as it is in the file. Earlier ones change it in memory first. */
const unchangedPei = "2026.08";

/** The events of PCR 0 before its separator, or the reason why they are not known. */
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
  /** PCR 5, besides the events of every boot */
  readonly disk: readonly BootEvent[];
  /** PCR 9 */
  readonly linux: readonly BootEvent[];
  /** PCR 11 */
  readonly stub: readonly BootEvent[];
  /** The Linux release, if the kernel states it. */
  readonly release: Version | undefined;
}

/** The events of a boot. BDS measures the call and the separators when it tries its first boot option, after it loads `-kernel`. */
function eventsOf(boot: VtpmBoot): BootEvents {
  const ready = [actions.callingApplication, actions.separator];
  if (boot.boot === "direct") {
    const release = linuxVersion(boot.kernel.bytes, boot.kernel.file);
    return { images: [kernelEvent(boot), ...ready], disk: [], linux: linuxEvents(boot), stub: [], release };
  }
  if (boot.boot === "uki-kernel" && boot.guest !== "sev") refuseChangedImage(boot.uki.file, parseVersion(boot.qemuVersion, "QEMU version"));
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
    throw uki.image.reader.error(0, "UKI", "no section .cmdline: the command line would come from outside the image");
  const initrd = stubInitrd(uki);
  return [
    loadOptionsEvent(uki.cmdline),
    ...(initrd === undefined ? [] : [{ what: "initrd as systemd-stub combines it", ...initrd, from: "uki" }]),
  ];
}
