import { createHash } from "node:crypto";
import { type BankDigests, type banks, digestsOf } from "../lib/banks.js";
import type { BootEvent } from "../measure/events.js";
import { type PeImage, type PeSection, readPe } from "./pe.js";
import { cpioArchive } from "./stub-cpio.js";

/** systemd versions whose stub behaves as described here; 258 no longer loads the kernel through firmware, which changes PCR 4. */
const versions = { oldest: 252, newest: 257 } as const;
/**
 * The sections of a unified kernel image that systemd-stub measures into PCR 11, in its order, whatever theirs in the file, and since which
 * of its versions: older ones look past them (UAPI.5 Unified Kernel Image, "PE Sections"; systemd src/fundamental/uki.c, until 253
 * tpm-pcr.c). `.pcrsig` is not measured: it signs the result.
 */
const measuredSections: Readonly<Record<string, number>> = {
  ".linux": versions.oldest,
  ".osrel": versions.oldest,
  ".cmdline": versions.oldest,
  ".initrd": versions.oldest,
  ".ucode": 256,
  ".splash": versions.oldest,
  ".dtb": versions.oldest,
  ".uname": 254,
  ".sbat": 254,
  ".pcrpkey": versions.oldest,
};
/** Sections that make the result depend on the machine or on a choice at boot. */
const unsupported = [".profile", ".dtbauto", ".hwids", ".efifw"];
/** Since this version the stub passes .osrel to the initrd as /.extra/os-release. */
const osrelVersion = 257;
const maxSectionSize = 1 << 30;

export interface Uki {
  readonly image: PeImage;
  /** Of systemd-stub. */
  readonly version: number;
  /** The embedded kernel. */
  readonly linux: PeImage;
  /** As the stub hands it to the kernel; absent when the image has none. */
  readonly cmdline?: string;
  /** Contents of the sections that this version of the stub measures, in its order, and of `.pcrsig`. */
  readonly sections: ReadonlyMap<string, Content>;
}

/** A section as it lies in memory: bytes from the file, then zeros up to its virtual size. */
interface Content {
  readonly bytes: Uint8Array;
  readonly size: number;
}

/**
 * Reads a unified kernel image made with systemd-stub 252 to 257. A kind "input" error for any other image, for sections that appear twice,
 * and for multi-profile images and machine-dependent sections, whose measurement is chosen at boot.
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
        `what a section ${section.name} does is chosen at boot: such an image has no one measurement`,
      );
    }
  }
  if (!byName.has(".linux")) throw reader.error(0, "UKI", "no section .linux: not a unified kernel image");
  const version = stubVersion(image, byName.get(".sdmagic"));
  const sections = new Map<string, Content>();
  for (const [name, since] of [...Object.entries(measuredSections), [".pcrsig", versions.oldest] as const]) {
    const section = byName.get(name);
    if (section !== undefined && section.virtualSize > 0 && version >= since) sections.set(name, contentOf(image, section));
  }
  const linux = byName.get(".linux");
  const kernel = sections.get(".linux");
  if (linux === undefined || kernel === undefined) throw reader.error(linux?.header ?? 0, "UKI", "its section .linux is empty");
  if (kernel.bytes.length < kernel.size)
    throw reader.error(linux.header + 8, "UKI", "its section .linux goes on in memory behind the kernel");
  const cmdline = sections.get(".cmdline");
  return {
    image,
    version,
    linux: readPe(kernel.bytes, file, linux.offset),
    ...(cmdline === undefined ? {} : { cmdline: stubCmdline(image, byName.get(".cmdline")?.header ?? 0, cmdline) }),
    sections,
  };
}

function contentOf({ reader }: PeImage, { offset, size, virtualSize, header }: PeSection): Content {
  if (virtualSize > maxSectionSize) throw reader.error(header + 8, "UKI section", `${virtualSize} bytes are more than ${maxSectionSize}`);
  return { bytes: reader.slice(offset, Math.min(size, virtualSize), "UKI section"), size: virtualSize };
}

/** From the stub's own mark, `#### LoaderInfo: systemd-stub 257.13-1~deb13u1 ####`. */
function stubVersion({ reader }: PeImage, magic: PeSection | undefined): number {
  const text = magic === undefined ? "" : Buffer.from(reader.slice(magic.offset, magic.size, ".sdmagic")).toString("latin1");
  const version = Number(/#### LoaderInfo: systemd-stub (\d{1,4})[^#]* ####/.exec(text)?.[1]);
  if (!(version >= versions.oldest && version <= versions.newest)) {
    const found = Number.isNaN(version) ? "not made with systemd-stub" : `made with systemd-stub ${version}`;
    throw reader.error(magic?.offset ?? 0, "UKI", `${found}; versions ${versions.oldest} to ${versions.newest} are known`);
  }
  return version;
}

/** What the stub makes of .cmdline: up to a NUL, control characters as spaces, none at the end. */
function stubCmdline({ reader }: PeImage, header: number, { bytes }: Content): string {
  const end = bytes.indexOf(0);
  const text = Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("utf8");
  if (/^\s|\ufffd|[\u{10000}-\u{10ffff}]/u.test(text))
    throw reader.error(header, ".cmdline", "leading white space or text outside the basic multilingual plane is not supported");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the stub replaces
  return text.replace(/[\u0001-\u001f]/g, " ").replace(/ +$/, "");
}

/**
 * PCR 11: for each section the digest of its name with its NUL, then that of its contents as loaded (systemd-stub(7), "TPM PCR Notes").
 * The value holds when the stub hands over; systemd's units extend it further as the boot proceeds.
 */
export function stubEvents({ sections }: Uki): BootEvent[] {
  return [...sections]
    .filter(([name]) => name !== ".pcrsig")
    .flatMap(([name, content]) => [
      { what: `the name of section ${name}`, digests: digestsOf(Buffer.from(`${name}\0`)), size: name.length + 1, from: "uki" },
      { what: `section ${name}`, digests: digestOfContents([content]), size: content.size, from: "uki" },
    ]);
}

/**
 * The initrd that the stub gives to the kernel: .initrd as it is or, where there are more parts, all of them padded to 4 bytes: .ucode,
 * .initrd and, as archives that it makes itself, files for /.extra (systemd src/boot/stub.c, combine_initrds). Absent when the image has
 * nothing to pass.
 */
export function stubInitrd({ sections, version }: Uki): { readonly digests: BankDigests; readonly size: number } | undefined {
  const parts: Content[] = [];
  for (const name of [".ucode", ".initrd"]) {
    const content = sections.get(name);
    if (content !== undefined) parts.push(content);
  }
  const extra = {
    ".pcrsig": "tpm2-pcr-signature.json",
    ".pcrpkey": "tpm2-pcr-public-key.pem",
    ...(version >= osrelVersion ? { ".osrel": "os-release" } : {}),
  };
  for (const [name, path] of Object.entries(extra)) {
    const content = sections.get(name);
    if (content === undefined) continue;
    const bytes = cpioArchive(path, padded(content.bytes, content.size));
    parts.push({ bytes, size: bytes.length });
  }
  const [first, more] = parts;
  if (first === undefined) return undefined;
  if (more === undefined && first === sections.get(".initrd")) return { digests: digestOfContents(parts), size: first.size };
  const aligned = parts.map(({ bytes, size }) => ({ bytes, size: Math.ceil(size / 4) * 4 }));
  return { digests: digestOfContents(aligned), size: aligned.reduce((sum, { size }) => sum + size, 0) };
}

function padded(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.length === size ? bytes : Buffer.concat([bytes], size);
}

const zeros = Buffer.alloc(1 << 20);

function digestOfContents(contents: readonly Content[]): BankDigests {
  const of = (bank: (typeof banks)[number]): string => {
    const digest = createHash(bank);
    for (const { bytes, size } of contents) {
      digest.update(bytes);
      for (let rest = size - bytes.length; rest > 0; rest -= zeros.length) digest.update(zeros.subarray(0, Math.min(rest, zeros.length)));
    }
    return digest.digest("hex");
  };
  return { sha1: of("sha1"), sha256: of("sha256"), sha384: of("sha384") };
}
