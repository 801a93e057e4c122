import { createHash } from "node:crypto";
import { newc } from "../../codecs/cpio.js";
import type { Uki, UkiSection, UkiSectionName } from "../../codecs/uki.js";
import { type BankDigests, type banks, digestsOf } from "../../lib/banks.js";
import type { BootEvent } from "../events.js";

/**
 * The sections that systemd-stub measures into PCR 11, in its order, which is not that of the file (systemd src/fundamental/uki.c, until
 * 253 tpm-pcr.c). It does not measure `.pcrsig`, because that section signs the result.
 */
const measuredSections: readonly UkiSectionName[] = [
  ".linux",
  ".osrel",
  ".cmdline",
  ".initrd",
  ".ucode",
  ".splash",
  ".dtb",
  ".uname",
  ".sbat",
  ".pcrpkey",
];
/** Sections that an older stub ignores, with the first version that knows them. */
const firstVersions: Readonly<Partial<Record<UkiSectionName, number>>> = { ".ucode": 256, ".uname": 254, ".sbat": 254 };
/** The sections that the stub passes to the initrd as files in /.extra. */
const extraFiles = {
  ".pcrsig": "tpm2-pcr-signature.json",
  ".pcrpkey": "tpm2-pcr-public-key.pem",
  ".osrel": "os-release",
} as const;
/** The first version that passes `.osrel`. */
const osReleaseVersion = 257;

/** A section that the stub of the image knows. */
function sectionOf({ sections, version }: Uki, name: UkiSectionName): UkiSection | undefined {
  return version < (firstVersions[name] ?? 0) ? undefined : sections.get(name);
}

/**
 * The events of PCR 11: for each section the digest of its name with its NUL, then the digest of its contents in memory (systemd-stub(7),
 * "TPM PCR Notes"). The value is right when the stub starts the kernel. systemd's units extend it later in the boot.
 */
export function stubEvents(uki: Uki): BootEvent[] {
  return measuredSections.flatMap((name) => {
    const section = sectionOf(uki, name);
    if (section === undefined) return [];
    return [
      { what: `the name of section ${name}`, digests: digestsOf(Buffer.from(`${name}\0`)), size: name.length + 1, from: "uki" },
      { what: `section ${name}`, digests: digestOfContents([section]), size: section.size, from: "uki" },
    ];
  });
}

/**
 * The initrd that the stub passes to the kernel (systemd src/boot/stub.c, combine_initrds): `.initrd` alone and unchanged; or `.ucode`,
 * `.initrd` and one archive for each file in /.extra, each padded to 4 bytes. Undefined when the image has none of them.
 */
export function stubInitrd(uki: Uki): { readonly digests: BankDigests; readonly size: number } | undefined {
  const parts = ([".ucode", ".initrd"] as const).flatMap((name) => sectionOf(uki, name) ?? []);
  for (const name of [".pcrsig", ".pcrpkey", ".osrel"] as const) {
    const section = sectionOf(uki, name);
    if (section === undefined || (name === ".osrel" && uki.version < osReleaseVersion)) continue;
    const bytes = extraArchive(extraFiles[name], Buffer.concat([section.bytes], section.size));
    parts.push({ bytes, size: bytes.length });
  }
  const [first, more] = parts;
  if (first === undefined) return undefined;
  if (more === undefined && first === uki.sections.get(".initrd")) return { digests: digestOfContents(parts), size: first.size };
  const aligned = parts.map(({ bytes, size }) => ({ bytes, size: Math.ceil(size / 4) * 4 }));
  return { digests: digestOfContents(aligned), size: aligned.reduce((sum, { size }) => sum + size, 0) };
}

const extraDirectory = ".extra";
/** The stub's trailer is a constant. It differs from other programs' by the upper-case digit B and the inode 0. */
const stubTrailer = Buffer.from(`070701${"00000000".repeat(4)}00000001${"00000000".repeat(6)}0000000B00000000TRAILER!!!\0\0\0\0`, "latin1");

/** A cpio archive of one file in /.extra, byte for byte as systemd-stub makes it (systemd src/boot/cpio.c). */
function extraArchive(name: string, content: Uint8Array): Buffer {
  return newc(
    [
      { path: extraDirectory, mode: 0o40555 },
      { path: `${extraDirectory}/${name}`, mode: 0o100444, content },
    ],
    stubTrailer,
  );
}

const zeros = Buffer.alloc(1 << 20);

function digestOfContents(contents: readonly UkiSection[]): BankDigests {
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
