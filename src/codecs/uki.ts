import { type PeImage, type PeSection, readPe } from "./pe.js";

/** The versions of systemd that hal knows. Since 258 the stub no longer loads the kernel through firmware, which changes PCR 4. */
const versions = { oldest: 252, newest: 257 } as const;
/** The sections of a unified kernel image that hal reads (UAPI.5 Unified Kernel Image, "PE Sections"). */
const known = [".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey", ".pcrsig"] as const;
/** Sections whose effect depends on the machine or on a choice at boot. */
const unsupported = [".profile", ".dtbauto", ".hwids", ".efifw"];
const maxSectionSize = 1 << 30;

export type UkiSectionName = (typeof known)[number];

export interface Uki {
  readonly image: PeImage;
  /** The version of systemd-stub. */
  readonly version: number;
  /** The embedded kernel. */
  readonly linux: PeImage;
  /** The command line that the stub passes to the kernel; absent when the image has none. */
  readonly cmdline?: string;
  /** Sections that are not empty. */
  readonly sections: ReadonlyMap<UkiSectionName, UkiSection>;
}

/** A section as it is in memory: bytes from the file, then zeros up to `size`. */
export interface UkiSection {
  readonly bytes: Uint8Array;
  readonly size: number;
}

/**
 * Reads a unified kernel image made with systemd-stub 252 to 257.
 * @throws HalError "input" for any other image, for a section that appears twice or overlaps another one in memory, and for images with
 * several profiles or machine-dependent sections, because these have more than one measurement
 */
export function readUki(bytes: Uint8Array, file: string): Uki {
  const image = readPe(bytes, file);
  const { reader } = image;
  const byName = new Map<string, PeSection>();
  for (const section of image.sections) {
    if (byName.has(section.name) && section.name.startsWith("."))
      throw reader.error(section.header, "UKI", `two sections named ${section.name}`);
    byName.set(section.name, section);
    if (unsupported.includes(section.name)) {
      throw reader.error(
        section.header,
        "UKI",
        `the effect of a section ${section.name} is chosen at boot, so the image has more than one measurement`,
      );
    }
  }
  refuseMemoryOverlap(image);
  if (!byName.has(".linux")) throw reader.error(0, "UKI", "no section .linux: not a unified kernel image");
  const version = stubVersion(image, byName.get(".sdmagic"));
  const sections = new Map<UkiSectionName, UkiSection>();
  for (const name of known) {
    const section = byName.get(name);
    if (section !== undefined && section.virtualSize > 0) sections.set(name, contentOf(image, section));
  }
  const linux = byName.get(".linux");
  const kernel = sections.get(".linux");
  if (linux === undefined || kernel === undefined) throw reader.error(linux?.header ?? 0, "UKI", "its section .linux is empty");
  if (kernel.bytes.length < kernel.size)
    throw reader.error(linux.header + 8, "UKI", "its section .linux is larger in memory than in the file");
  const cmdline = sections.get(".cmdline");
  return {
    image,
    version,
    linux: readPe(kernel.bytes, file, linux.offset),
    ...(cmdline === undefined ? {} : { cmdline: stubCmdline(image, byName.get(".cmdline")?.header ?? 0, cmdline) }),
    sections,
  };
}

/**
 * Firmware copies the sections to their addresses in the order of the table, so one of them could replace another in memory, or the table
 * itself, which systemd-stub reads there. A section with a virtual size of 0 has its size in the file (edk2 BasePeCoffLib,
 * PeCoffLoaderLoadImage).
 */
function refuseMemoryOverlap({ reader, sections, sizeOfHeaders }: PeImage): void {
  let end = sizeOfHeaders;
  for (const { virtualAddress, virtualSize, size, header } of [...sections].sort((a, b) => a.virtualAddress - b.virtualAddress)) {
    if (virtualAddress < end) throw reader.error(header + 12, "UKI section", "its memory overlaps another section's or the headers");
    end = virtualAddress + (virtualSize === 0 ? size : virtualSize);
  }
}

function contentOf({ reader }: PeImage, { offset, size, virtualSize, header }: PeSection): UkiSection {
  if (virtualSize > maxSectionSize) throw reader.error(header + 8, "UKI section", `${virtualSize} bytes are more than ${maxSectionSize}`);
  return { bytes: reader.slice(offset, Math.min(size, virtualSize), "UKI section"), size: virtualSize };
}

/** The version that the stub states, `#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####`. */
function stubVersion({ reader }: PeImage, magic: PeSection | undefined): number {
  const text = magic === undefined ? "" : Buffer.from(reader.slice(magic.offset, magic.size, ".sdmagic")).toString("latin1");
  const version = Number(/#### LoaderInfo: systemd-stub (\d{1,4})[^#]* ####/.exec(text)?.[1]);
  if (!(version >= versions.oldest && version <= versions.newest)) {
    const found = Number.isNaN(version) ? "not made with systemd-stub" : `made with systemd-stub ${version}`;
    throw reader.error(magic?.offset ?? 0, "UKI", `${found}; hal knows versions ${versions.oldest} to ${versions.newest}`);
  }
  return version;
}

/** The stub cuts .cmdline at a NUL, replaces control characters by spaces and removes spaces at the end. */
function stubCmdline({ reader }: PeImage, header: number, { bytes }: UkiSection): string {
  const end = bytes.indexOf(0);
  const text = Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("utf8");
  if (/^\s|\ufffd|[\u{10000}-\u{10ffff}]/u.test(text))
    throw reader.error(header, ".cmdline", "leading white space or text outside the basic multilingual plane is not supported");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the stub replaces exactly these
  return text.replace(/[\u0001-\u001f]/g, " ").replace(/ +$/, "");
}
