import { readFile } from "node:fs/promises";
import { newc } from "../codecs/cpio.js";
import { HalError } from "../lib/errors.js";
import { findTool, missingTool, runCommand, shellQuote } from "../lib/tools.js";
import { observerScript, wrapperScript } from "./probe-scripts.js";

/** A text that no image contains. The probe writes 4 MiB of it to each encrypted device. */
export const MARKER = "hal proof: this text must never be readable outside of the guest";

export interface ProbeSettings {
  /** The program that the kernel runs first without the probe. */
  readonly originalInit: string;
  readonly init: "systemd" | "busybox";
  /** Keep the programs of early boot for the observer: they have dmsetup. An image that runs from RAM keeps them anyway. */
  readonly keepTools: boolean;
  /** Mount point of the encrypted partition, if the image has one. */
  readonly rw?: string;
  /** A file of the guest to read again after the host has changed the disk. */
  readonly tamper?: string;
  /** Files of 1 MiB that each of 16 processes writes to the partition, at most; 0: do not load it. */
  readonly loadFiles: number;
  /** Seconds that the image may take from the start of its init until startup is complete. */
  readonly readySeconds: number;
}

/**
 * The probe as a cpio archive: the host's static busybox and two scripts, in /hal-probe.
 * @throws HalError "tool" when the host has no static busybox
 */
export async function probeArchive(settings: ProbeSettings): Promise<Buffer> {
  const busybox = await readFile(await staticBusybox());
  const wrapper = { ORIGINAL_INIT: settings.originalInit, KEEP_TOOLS: settings.keepTools ? "1" : "0" };
  const observer = {
    INIT: settings.init,
    RW: settings.rw ?? "",
    TAMPER: settings.tamper ?? "",
    READY_SECONDS: String(settings.readySeconds),
    LOAD_FILES: String(settings.loadFiles),
    MARKER,
  };
  return newc([
    { path: "hal-probe", mode: 0o040755 },
    { path: "hal-probe/busybox", mode: 0o100755, content: busybox },
    { path: "hal-probe/init", mode: 0o100755, content: Buffer.from(probeScript("wrapper", wrapper)) },
    { path: "hal-probe/observe", mode: 0o100755, content: Buffer.from(probeScript("observer", observer)) },
  ]);
}

/** One of the two scripts of the probe, with its settings as shell variables at the start. */
export function probeScript(which: "wrapper" | "observer", variables: Readonly<Record<string, string>>): string {
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
  const [first, body] =
    which === "wrapper" ? ["#!/hal-probe/busybox sh\nset -eu\n", wrapperScript] : ["#!/busybox sh\nset -u\n", observerScript];
  return `${first}${settings.join("")}${body}`;
}

/**
 * Appends an uncompressed cpio archive to an initrd. The kernel unpacks all archives in order, so a later file replaces an earlier one
 * (Linux Documentation/driver-api/early-userspace/buffer-format.rst). It finds an uncompressed archive only at a multiple of 4 bytes
 * (Linux init/initramfs.c).
 */
export function appendArchive(initrd: Uint8Array, archive: Uint8Array): Buffer {
  return Buffer.concat([initrd, Buffer.alloc((4 - (initrd.length % 4)) % 4), archive]);
}

/**
 * The path of the host's busybox.
 * @throws HalError "tool" when it is missing, is not static, or lacks a program of the probe
 */
export async function staticBusybox(): Promise<string> {
  const path = await findTool("busybox");
  if (path === undefined) throw missingTool("busybox");
  const { stdout } = await runCommand({ tool: path, args: ["--list"] });
  const applets = new Set(stdout.split("\n"));
  const needed = ["chroot", "stty", "insmod", "blockdev", "sha256sum", "swapoff", "poweroff"];
  // A dynamic program names its loader (ELF PT_INTERP), which the initramfs of the guest may not have.
  const isStatic = !(await readFile(path)).subarray(0, 4096).includes("/ld-linux");
  if (isStatic && needed.every((applet) => applets.has(applet))) return path;
  throw new HalError("tool", `${path} is not Debian's static busybox`, { remedy: "install it: apt-get install busybox-static" });
}
