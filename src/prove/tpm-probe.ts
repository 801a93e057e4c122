import { type FileHandle, open, readFile } from "node:fs/promises";
import { readDiskGpt } from "../bundle/disk.js";
import { parameterValues } from "../codecs/cmdline.js";
import { newc } from "../codecs/cpio.js";
import { sectorSize } from "../codecs/gpt.js";
import { readPe } from "../codecs/pe.js";
import { HalError } from "../lib/errors.js";
import { appendArchive, staticBusybox } from "./probe.js";

/** How many PCRs each bank of a PC Client TPM has (TCG PC Client Platform TPM Profile). */
export const PCR_COUNT = 24;

/**
 * The first process of the guest: prints every PCR and the event log to the second serial port and powers off. It replaces the init of the
 * image, so that nothing extends a PCR after the kernel. The kernel needs these drivers built in: TPM (CONFIG_TCG_TIS or CONFIG_TCG_CRB),
 * CONFIG_SECURITYFS, two 8250 serial ports, CONFIG_DEVTMPFS.
 */
const tpmProbeScript = `#!/hal-tpm/busybox sh
export PATH=/hal-tpm
/hal-tpm/busybox --install -s /hal-tpm
mkdir -p /proc /sys /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t securityfs sec /sys/kernel/security
stty -F /dev/ttyS1 raw -echo
{
  echo # OVMF also writes to this port
  for bank in /sys/class/tpm/tpm0/pcr-*; do
    n=0
    while [ $n -lt ${PCR_COUNT} ]; do
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

/** @param cmdline names the first process of the image, which the archive replaces */
async function tpmProbeArchive(cmdline: string): Promise<Buffer> {
  const init = (parameterValues(cmdline, "rdinit").at(-1) ?? "/init").replace(/^\/+/, "");
  return newc([
    { path: "hal-tpm", mode: 0o040755 },
    { path: "hal-tpm/busybox", mode: 0o100755, content: await readFile(await staticBusybox()) },
    { path: init, mode: 0o100755, content: Buffer.from(tpmProbeScript) },
  ]);
}

/**
 * An initrd with the TPM probe appended. The command line stays the same, but the digest of the initrd changes: predict the measurements
 * of the returned initrd.
 */
export async function initrdWithTpmProbe(initrd: Uint8Array, cmdline: string): Promise<Buffer> {
  return appendArchive(initrd, await tpmProbeArchive(cmdline));
}

/**
 * A unified kernel image whose section .initrd contains the TPM probe, padded with zeros, instead of the initrd. Headers, other sections
 * and size stay the same, so the image fits in the same place on a disk. Predict the measurements of the returned image.
 * @throws HalError "input" when the section is smaller than the probe
 */
export async function ukiWithTpmProbe(uki: Uint8Array, file: string, cmdline: string): Promise<Buffer> {
  const section = readPe(uki, file).sections.find(({ name }) => name === ".initrd");
  const bytes = await tpmProbeArchive(cmdline);
  if (section === undefined || Math.min(section.size, section.virtualSize) < bytes.length)
    throw new HalError("input", `the section .initrd is smaller than the TPM probe (${bytes.length} bytes)`, { at: { file } });
  const copy = Buffer.from(uki);
  copy.fill(0, section.offset, section.offset + section.size);
  copy.set(bytes, section.offset);
  return copy;
}

/**
 * Overwrites a file on the EFI system partition of a disk, in place, with bytes of the same length.
 * @throws HalError "check" when the partition does not contain the file in consecutive sectors
 */
export async function replaceOnDisk(disk: string, original: Uint8Array, replacement: Uint8Array): Promise<void> {
  const handle = await open(disk, "r+");
  try {
    const at = await findOnEsp(handle, disk, original);
    if (at === undefined)
      throw new HalError("check", "the EFI system partition does not contain boot.efi in consecutive sectors", { at: { file: disk } });
    await handle.write(replacement, 0, replacement.length, at);
  } finally {
    await handle.close();
  }
}

/** The byte offset of a file on the disk. */
async function findOnEsp(handle: FileHandle, disk: string, wanted: Uint8Array): Promise<number | undefined> {
  const esp = (await readDiskGpt(handle, disk)).partitions.find(({ name }) => name === "esp");
  const end = esp === undefined ? 0 : esp.start + esp.size - wanted.length;
  const first = Buffer.alloc(sectorSize);
  const content = Buffer.alloc(wanted.length);
  for (let at = esp?.start ?? 0; at <= end; at += sectorSize) {
    await handle.read(first, 0, sectorSize, at);
    if (Buffer.compare(first, wanted.subarray(0, sectorSize)) !== 0) continue;
    await handle.read(content, 0, content.length, at);
    if (Buffer.compare(content, wanted) === 0) return at;
  }
  return undefined;
}
