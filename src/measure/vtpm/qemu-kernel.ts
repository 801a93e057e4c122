import { hasSetupHeader, setupHeader } from "../../codecs/bzimage.js";
import { pageSize } from "../../codecs/x86.js";
import { ByteReader } from "../../lib/bytes.js";
import { HalError } from "../../lib/errors.js";
import { atLeast, type Version } from "../../lib/versions.js";
import type { Platform } from "../../model/platforms/platform.js";

/** What decides how QEMU changes a kernel, besides the file. */
export interface KernelLoad {
  /** Bytes of guest memory. */
  readonly memory: number;
  /** QEMU's machine type. It decides how much of the memory is below 4 GiB. */
  readonly machine: "q35" | "pc";
  /** Bytes; absent without an initrd. */
  readonly initrdSize?: number;
  readonly cmdline: string;
  readonly qemuVersion: Version;
  readonly firmwareVersion: Version;
  /** QEMU does not change the setup header for SEV guests and, since 10.2, for any confidential guest. */
  readonly guest: Platform["kernelHeader"];
}

/**
 * How a machine type splits memory: a guest with at least `from` bytes has `below4g` of them below 4 GiB (QEMU hw/i386/pc_q35.c and
 * pc_piix.c, without max-ram-below-4g).
 */
const lowMemory = {
  q35: { from: 0xb0000000, below4g: 0x80000000 },
  pc: { from: 0xe0000000, below4g: 0xc0000000 },
} as const;
/** ACPI_DATA_SIZE of QEMU's pc machines since 2.2. */
const acpiDataSize = 0x28000;

/** Boot protocols (boot.rst): the oldest that hal accepts, and those that first define a field. */
const protocols = { oldest: 0x202, highestInitrdAddress: 0x203, xloadFlags: 0x20c } as const;
const canBeLoadedAbove4g = 2;
/** The highest initrd address for a kernel that does not state one. */
const defaultHighestInitrd = 0x37ffffff;

/** What QEMU writes into the setup header (hw/i386/x86.c, x86_load_linux). */
const written = { loaderType: 0xb0, canUseHeap: 0x80, heapEnd: 0xfe00, cmdlineAddress: 0x20000 } as const;

const videoModes: readonly (readonly [string, number])[] = [
  ["normal", 0xffff],
  ["ext", 0xfffe],
  ["ask", 0xfffd],
];

/** The first patch release of a series before 10.0 that leaves a file without setup header unchanged (QEMU 57e2cc9abf and backports). */
const fixedPatch: Readonly<Record<string, number>> = { "7.2": 16, "8.2": 9, "9.1": 3, "9.2": 1 };

/**
 * Refuses a file without a setup header, such as a UKI, for a QEMU that writes into it all the same. The offsets depend on the length of
 * the command line, so the file's digest is not known. Kind "input".
 */
export function refuseChangedImage(file: string, version: Version): void {
  if (atLeast(version, 10, 0)) return;
  const fixed = fixedPatch[`${version.major}.${version.minor}`];
  if (fixed !== undefined && (version.patch ?? fixed) >= fixed) return;
  throw new HalError("input", `has no Linux setup header, and QEMU ${version.text} writes into such a file before it starts it`, {
    at: { file },
    remedy: "launch it with QEMU 10.0 or later, or with 7.2.16, 8.2.9, 9.1.3 or 9.2.1",
  });
}

/**
 * A kernel as firmware receives it from QEMU's `-kernel`. QEMU fills in the setup header as a boot loader does (hw/i386/x86.c,
 * x86_load_linux; Linux Documentation/arch/x86/boot.rst), so the digest of the image depends on memory and initrd size. QEMU leaves the
 * file unchanged:
 * - for SEV guests, and since QEMU 10.2 for TDX guests (QEMU a7542a38f3);
 * - when both QEMU (10.0 and later) and edk2 (2025.02 and later) know the blob etc/boot/kernel;
 * - when the file has no setup header, like a UKI.
 *
 * A kind "input" error for a kernel that QEMU refuses, or whose boot protocol is older than 2.02.
 */
export function kernelAsLoaded(bytes: Uint8Array, file: string, load: KernelLoad): Uint8Array {
  const structure = "setup header";
  const reader = new ByteReader(bytes, file);
  const confidential = load.guest === "sev" || (load.guest === "tdx" && atLeast(load.qemuVersion, 10, 2));
  if (confidential || (atLeast(load.qemuVersion, 10, 0) && atLeast(load.firmwareVersion, 2025, 2))) return bytes;
  if (!hasSetupHeader(reader)) {
    refuseChangedImage(file, load.qemuVersion);
    return bytes;
  }
  const protocol = reader.u16(setupHeader.protocol, structure);
  const loadFlags = reader.u8(setupHeader.loadFlags, structure);
  if (protocol < protocols.oldest || (loadFlags & 1) === 0) {
    throw reader.error(setupHeader.protocol, structure, "a zImage or a boot protocol before 2.02 is not supported");
  }
  const patched = Buffer.from(bytes);
  const video = videoMode(load.cmdline);
  if (video !== undefined) patched.writeUInt16LE(video, setupHeader.videoMode);
  patched.writeUInt8(written.loaderType, setupHeader.loaderType);
  patched.writeUInt8(loadFlags | written.canUseHeap, setupHeader.loadFlags);
  reader.slice(setupHeader.heapEnd, 8, structure);
  patched.writeUInt16LE(written.heapEnd, setupHeader.heapEnd);
  patched.writeUInt32LE(written.cmdlineAddress, setupHeader.cmdlineAddress);
  if (load.initrdSize !== undefined) {
    const highest = highestInitrdAddress(reader, protocol, load);
    if (load.initrdSize >= highest) {
      throw new HalError("input", `initrd: ${load.initrdSize} bytes do not fit into memory: QEMU accepts at most ${highest}`, {
        remedy: "give the guest more memory",
      });
    }
    patched.writeUInt32LE(Math.floor((highest - load.initrdSize) / pageSize) * pageSize, setupHeader.initrdAddress);
    patched.writeUInt32LE(load.initrdSize, setupHeader.initrdSize);
  }
  return patched;
}

function highestInitrdAddress(reader: ByteReader, protocol: number, { memory, machine }: KernelLoad): number {
  const structure = "setup header";
  let highest = defaultHighestInitrd;
  if (protocol >= protocols.xloadFlags && (reader.u16(setupHeader.xloadFlags, structure) & canBeLoadedAbove4g) !== 0) highest = 0xffffffff;
  else if (protocol >= protocols.highestInitrdAddress) highest = reader.u32(setupHeader.highestInitrdAddress, structure);
  const split = lowMemory[machine];
  const below4g = memory >= split.from ? split.below4g : memory;
  if (below4g <= acpiDataSize) throw new HalError("input", `memory: ${memory} bytes are too few to load a kernel`);
  return Math.min(highest, below4g - acpiDataSize - 1);
}

/** The video mode that QEMU reads from `vga=` on the command line. */
function videoMode(cmdline: string): number | undefined {
  const start = cmdline.indexOf("vga=");
  if (start < 0) return undefined;
  const value = cmdline.slice(start + 4);
  for (const [word, mode] of videoModes) if (value.startsWith(word)) return mode;
  const digits = /^(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)(?= |$)/i.exec(value)?.[1];
  const mode = digits === undefined ? Number.NaN : /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (!(mode <= 0xffffffff)) throw new HalError("input", `command line: QEMU refuses 'vga=${value.split(" ")[0]}'`);
  return mode & 0xffff;
}
