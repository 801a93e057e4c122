import { files } from "../../bundle/files.js";
import { imageFile } from "../../bundle/open.js";
import type { DamagedDisk } from "../damage.js";
import type { ImagePromises, ImageUnderTest } from "../image.js";

/** What a hostile host changes, other than bytes of the disk before the boot. */
export interface Damage {
  readonly cmdline?: string;
  /** False: boot without the disk. */
  readonly disk?: false;
  /** False: boot without the initrd. */
  readonly initrd?: false;
  /** More words of the QEMU command. */
  readonly qemuArgs?: readonly string[];
  /** Change the disk while the guest runs. `file` is the file of the guest that the probe reads before and after the change. */
  readonly whileRunning?: { readonly file: string; readonly change: () => Promise<void> };
  /** The file of the host's store for crash records (ACPI ERST). It must be empty after the boot. */
  readonly crashRecords?: string;
}

/**
 * What must happen:
 * - `off`: the init of the image does not start, one line names the failure, the guest stops.
 * - `works`: the damage has no effect; the image boots and keeps every promise.
 * - `stops`: the damaged file gives an I/O error, or the guest stops.
 * - `detected`: the damaged file gives an I/O error.
 * - `reached`: code of the host's ACPI tables reaches the guest's memory, as the image's promises admit.
 */
export type Outcome = "off" | "works" | "stops" | "detected" | "reached";

/** One way to damage an image. */
export interface HostileCase {
  readonly name: string;
  /** The damage in words. */
  readonly what: string;
  readonly expected: Outcome | ((promises: ImagePromises) => Outcome);
  /** The part of the layout that the case needs. Every case needs a verified root. */
  readonly needs?: "rw" | "swap" | "integrity";
  /** A tool or file of the host that only this case needs. */
  readonly tool?: string;
  /**
   * Damages a copy of the disk.
   * @param scratch a directory for further files
   */
  damage(image: ImageUnderTest, disk: DamagedDisk, scratch: string): Promise<Damage>;
}

/** Code of the host's ACPI tables that reached the guest's memory writes this to the serial port. */
export const AML_REACHED = "hal-proof: AML of the host reached the memory of the guest";

/** The program that early boot starts as PID 1. */
export const INIT = "/sbin/init";

/** The path of the root filesystem's image, to look up blocks in it. */
export const rootImage = (image: ImageUnderTest): string => imageFile(image.dir, files.root);

/** A path inside an option of QEMU, which separates its options with commas. */
export const qemuPath = (path: string): string => path.replaceAll(",", ",,");
