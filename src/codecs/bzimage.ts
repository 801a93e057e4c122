import { ByteReader } from "../lib/bytes.js";
import { HalError } from "../lib/errors.js";
import { atLeast, parseVersion, type Version } from "../lib/versions.js";

/** What `-kernel` depends on besides the file. */
export interface KernelLoad {
  /** Bytes of guest memory. */
  readonly memory: number;
  /** QEMU's machine type: how much memory lies below 4 GiB. */
  readonly machine: "q35" | "pc";
  /** Bytes; absent without an initrd. */
  readonly initrdSize?: number;
  readonly cmdline: string;
  readonly qemuVersion: Version;
  readonly firmwareVersion: Version;
  /** QEMU leaves the header of SEV guests alone, and of all confidential guests since 10.2. */
  readonly guest: "plain" | "sev" | "tdx";
}

/** From how much memory on a machine type splits it, and what then lies below 4 GiB (QEMU hw/i386/pc_q35.c, pc_piix.c: without max-ram-below-4g). */
const lowMemory = {
  q35: { from: 0xb0000000, below4g: 0x80000000 },
  pc: { from: 0xe0000000, below4g: 0xc0000000 },
} as const;
/** ACPI_DATA_SIZE of QEMU's pc machines since 2.2. */
const acpiDataSize = 0x28000;
const headerMagic = 0x53726448; // "HdrS"
const oldestProtocol = 0x202;
const highestInitrdProtocol = 0x203;
const xloadflagsProtocol = 0x20c;
const videoModes: readonly (readonly [string, number])[] = [
  ["normal", 0xffff],
  ["ext", 0xfffe],
  ["ask", 0xfffd],
];

/**
 * The release that a bzImage says it is of, `6.12.107+deb13-cloud-amd64 (…) #1 …` (boot.rst, kernel_version); undefined for a file without
 * setup header or with another text there.
 */
export function linuxVersion(bytes: Uint8Array, file: string): Version | undefined {
  const reader = new ByteReader(bytes, file);
  if (bytes.length < 0x210 || reader.u32(0x202, "setup header") !== headerMagic) return undefined;
  const pointer = reader.u16(0x20e, "setup header");
  const text = Buffer.from(bytes.subarray(0x200 + pointer, 0x240 + pointer)).toString("latin1");
  const release = pointer === 0 ? undefined : /^\d{1,4}\.\d{1,3}(?=[.~+ -])/.exec(text)?.[0];
  return release === undefined ? undefined : parseVersion(release, "kernel version");
}

/** Releases of QEMU before 10.0 that do not write into a file that is no Linux kernel, by series (QEMU 57e2cc9abf and its backports). */
const fixedPatch: Readonly<Record<string, number>> = { "7.2": 16, "8.2": 9, "9.1": 3, "9.2": 1 };

/**
 * Refuses what QEMU would write into without having read a setup header, as into a UKI, at places that depend on the command line's length:
 * such a kernel measures as another file. Kind "input".
 */
export function refuseWrittenInto(file: string, version: Version): void {
  if (atLeast(version, 10, 0)) return;
  const fixed = fixedPatch[`${version.major}.${version.minor}`];
  if (fixed !== undefined && (version.patch ?? fixed) >= fixed) return;
  throw new HalError("input", `has no Linux setup header, and QEMU ${version.text} writes into such a file before it starts it`, {
    at: { file },
    remedy: "launch it with QEMU 10.0 or later, or 7.2.16, 8.2.9, 9.1.3 or 9.2.1 of the older ones",
  });
}

/**
 * A kernel as firmware gets it from QEMU's `-kernel`. QEMU fills in the setup header as a boot loader would (hw/i386/x86.c, x86_load_linux;
 * Linux Documentation/arch/x86/boot.rst), so that the image's digest depends on memory and initrd size. It is handed over untouched to SEV
 * guests, by QEMU 10.2 to TDX guests too (QEMU a7542a38f3), when both QEMU (>= 10.0) and edk2 (>= 2025.02) know the blob etc/boot/kernel,
 * and when it has no setup header at all (a UKI).
 * A kind "input" error for kernels that QEMU refuses or that are older than boot protocol 2.02.
 */
export function kernelAsLoaded(bytes: Uint8Array, file: string, load: KernelLoad): Uint8Array {
  const reader = new ByteReader(bytes, file);
  const confidential = load.guest === "sev" || (load.guest === "tdx" && atLeast(load.qemuVersion, 10, 2));
  if (confidential || (atLeast(load.qemuVersion, 10, 0) && atLeast(load.firmwareVersion, 2025, 2))) return bytes;
  if (reader.u32(0x202, "setup header") !== headerMagic) {
    refuseWrittenInto(file, load.qemuVersion);
    return bytes;
  }
  const protocol = reader.u16(0x206, "setup header");
  if (protocol < oldestProtocol || (reader.u8(0x211, "setup header") & 1) === 0) {
    throw reader.error(0x206, "setup header", "a zImage or a boot protocol before 2.02 is not supported");
  }
  const patched = Buffer.from(reader.slice(0, reader.length, "kernel"));
  const video = videoMode(load.cmdline);
  if (video !== undefined) patched.writeUInt16LE(video, 0x1fa);
  patched.writeUInt8(0xb0, 0x210); // type_of_loader: QEMU
  patched.writeUInt8(reader.u8(0x211, "setup header") | 0x80, 0x211); // loadflags: CAN_USE_HEAP
  reader.slice(0x224, 8, "setup header");
  patched.writeUInt16LE(0xfe00, 0x224); // heap_end_ptr
  patched.writeUInt32LE(0x20000, 0x228); // cmd_line_ptr
  if (load.initrdSize !== undefined) {
    const highest = highestInitrdAddress(reader, protocol, load);
    if (load.initrdSize >= highest) {
      throw new HalError("input", `initrd: ${load.initrdSize} bytes do not fit into memory: QEMU takes at most ${highest}`, {
        remedy: "give the guest more memory",
      });
    }
    patched.writeUInt32LE(Math.floor((highest - load.initrdSize) / 4096) * 4096, 0x218);
    patched.writeUInt32LE(load.initrdSize, 0x21c);
  }
  return patched;
}

function highestInitrdAddress(reader: ByteReader, protocol: number, { memory, machine }: KernelLoad): number {
  let highest = 0x37ffffff;
  if (protocol >= xloadflagsProtocol && (reader.u16(0x236, "setup header") & 2) !== 0) highest = 0xffffffff;
  else if (protocol >= highestInitrdProtocol) highest = reader.u32(0x22c, "setup header");
  const split = lowMemory[machine];
  const below4g = memory >= split.from ? split.below4g : memory;
  if (below4g <= acpiDataSize) throw new HalError("input", `memory: ${memory} bytes are too few to load a kernel`);
  return Math.min(highest, below4g - acpiDataSize - 1);
}

/** The video mode that QEMU takes from `vga=` on the command line. */
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
