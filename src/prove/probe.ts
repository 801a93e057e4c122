import { readFile } from "node:fs/promises";
import { newc } from "../codecs/cpio.js";
import { HalError } from "../lib/errors.js";
import { findTool, missingTool, runCommand, shellQuote } from "../lib/tools.js";
import { observerScript, wrapperScript } from "./probe-scripts.js";

/** A text that no image has; 4 MiB of it go through every encrypted mapping. */
export const MARKER = "hal proof: this text must never be readable outside of the guest";

export interface ProbeSettings {
  /** What the kernel would run without the probe. */
  readonly originalInit: string;
  readonly init: "systemd" | "busybox";
  /** Keep the early boot's programs for the observer (they have dmsetup; an image that lives in RAM has them anyway). */
  readonly keepTools: boolean;
  /** Where the encrypted partition is mounted; none when undefined. */
  readonly rw?: string;
  /** A file to read again after the host changed the disk. */
  readonly tamper?: string;
  /** How long the image may take to be ready once its init runs. */
  readonly readySeconds: number;
}

/**
 * The probe as an archive to append to an initrd (the kernel unpacks concatenated archives in order:
 * buffer-format.rst): the host's static busybox and two scripts, in /hal-probe.
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
    MARKER,
  };
  return newc([
    { path: "hal-probe", mode: 0o040755 },
    { path: "hal-probe/busybox", mode: 0o100755, content: busybox },
    { path: "hal-probe/init", mode: 0o100755, content: Buffer.from(probeScript("wrapper", wrapper)) },
    { path: "hal-probe/observe", mode: 0o100755, content: Buffer.from(probeScript("observer", observer)) },
  ]);
}

/** One of the two scripts with its settings, as the guest runs it. */
export function probeScript(which: "wrapper" | "observer", variables: Readonly<Record<string, string>>): string {
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${shellQuote(value)}\n`);
  const [first, body] =
    which === "wrapper" ? ["#!/hal-probe/busybox sh\nset -eu\n", wrapperScript] : ["#!/busybox sh\nset -u\n", observerScript];
  return `${first}${settings.join("")}${body}`;
}

/** Appends the probe to an initrd. An uncompressed archive is recognized at a multiple of 4 bytes only (init/initramfs.c). */
export function withProbe(initrd: Uint8Array, archive: Uint8Array): Buffer {
  return Buffer.concat([initrd, Buffer.alloc((4 - (initrd.length % 4)) % 4), archive]);
}

async function staticBusybox(): Promise<string> {
  const path = await findTool("busybox");
  if (path === undefined) throw missingTool("busybox");
  const { stdout } = await runCommand({ tool: path, args: ["--list"] });
  const applets = new Set(stdout.split("\n"));
  const lacks = ["chroot", "stty", "insmod", "blockdev", "sha256sum", "swapoff", "poweroff"].filter((applet) => !applets.has(applet));
  // PT_INTERP names a dynamic loader, which the guest's initramfs need not have.
  if (lacks.length === 0 && !(await readFile(path)).subarray(0, 4096).includes("/ld-linux")) return path;
  throw new HalError("tool", `${path} is not Debian's static busybox`, { remedy: "install it: apt-get install busybox-static" });
}
