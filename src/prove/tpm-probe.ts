import { type FileHandle, open, readFile } from "node:fs/promises";
import { newc } from "../codecs/cpio.js";
import { readPe } from "../codecs/pe.js";
import { HalError } from "../lib/errors.js";
import { findTool, missingTool } from "../lib/tools.js";
import { Gpt } from "./gpt.js";

export const pcrCount = 24;

/**
 * The first process of the guest: prints every PCR and the event log to the second serial port and powers off. It takes the place of the
 * image's own, so that nothing extends a PCR after the kernel did. The kernel must have built in: the TPM driver (CONFIG_TCG_TIS or
 * CONFIG_TCG_CRB), CONFIG_SECURITYFS, two 8250 serial ports, CONFIG_DEVTMPFS.
 */
const probe = `#!/hal-tpm/busybox sh
export PATH=/hal-tpm
/hal-tpm/busybox --install -s /hal-tpm
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t securityfs sec /sys/kernel/security
stty -F /dev/ttyS1 raw -echo
{
  echo # OVMF's own console output is on this port too
  for bank in /sys/class/tpm/tpm0/pcr-*; do
    n=0
    while [ $n -lt ${pcrCount} ]; do
      echo "pcr \${bank##*-} $n $(cat $bank/$n)"
      n=$((n + 1))
    done
  done
  echo log
  base64 /sys/kernel/security/tpm0/binary_bios_measurements
  echo end
} > /dev/ttyS1
poweroff -f
`;

async function archive(cmdline: string): Promise<Buffer> {
  const busybox = await findTool("busybox");
  if (busybox === undefined) throw missingTool("busybox");
  const init = /(?:^| )rdinit=\/?(\S+)/.exec(cmdline)?.[1] ?? "init";
  return newc([
    { path: "hal-tpm", mode: 0o040755 },
    { path: "hal-tpm/busybox", mode: 0o100755, content: await readFile(busybox) },
    { path: init, mode: 0o100755, content: Buffer.from(probe) },
  ]);
}

/**
 * An initrd with the probe appended (Linux Documentation/driver-api/early-userspace/buffer-format.rst: a later archive's files replace an
 * earlier's). The command line stays as it is; the initrd's digest does not, so predict for the initrd that is returned.
 */
export async function withTpmProbe(initrd: Uint8Array, cmdline: string): Promise<Buffer> {
  return Buffer.concat([initrd, Buffer.alloc((4 - (initrd.length % 4)) % 4), await archive(cmdline)]);
}

/**
 * A unified kernel image with the probe in the place of its initrd and zeros after it: every header and every other section stays where
 * and what it is, so the image still fits where it lies on a disk. Predict for the image that is returned.
 */
export async function ukiWithTpmProbe(uki: Uint8Array, file: string, cmdline: string): Promise<Buffer> {
  const section = readPe(uki, file).sections.find(({ name }) => name === ".initrd");
  const bytes = await archive(cmdline);
  if (section === undefined || Math.min(section.size, section.virtualSize) < bytes.length)
    throw new HalError("input", `its section .initrd has no room for a probe of ${bytes.length} bytes`, { at: { file } });
  const copy = Buffer.from(uki);
  copy.fill(0, section.offset, section.offset + section.size);
  copy.set(bytes, section.offset);
  return copy;
}

const sector = 512;

/** Replaces a file by another of its size where it lies, in one piece, on the EFI system partition of a disk. */
export async function replaceOnDisk(disk: string, original: Uint8Array, replacement: Uint8Array): Promise<void> {
  const handle = await open(disk, "r+");
  try {
    const at = await find(handle, disk, original);
    if (at === undefined)
      throw new HalError("check", "its EFI system partition does not have boot.efi in one piece", { at: { file: disk } });
    await handle.write(replacement, 0, replacement.length, at);
  } finally {
    await handle.close();
  }
}

async function find(handle: FileHandle, disk: string, wanted: Uint8Array): Promise<number | undefined> {
  const esp = (await Gpt.read(handle, disk)).entries().find(({ name }) => name === "esp");
  const end = esp === undefined ? 0 : esp.start + esp.size - wanted.length;
  const first = Buffer.alloc(sector);
  const content = Buffer.alloc(wanted.length);
  for (let at = esp?.start ?? 0; at <= end; at += sector) {
    await handle.read(first, 0, sector, at);
    if (Buffer.compare(first, wanted.subarray(0, sector)) !== 0) continue;
    await handle.read(content, 0, content.length, at);
    if (Buffer.compare(content, wanted) === 0) return at;
  }
  return undefined;
}
