import { join } from "node:path";
import { enclaveParts, MAX_ROOT_BYTES } from "../build/eif.js";
import { files, isEif, isInitrd, isUki } from "../bundle/files.js";
import { readEif } from "../codecs/eif.js";
import { gunzipWhole } from "../codecs/gzip.js";
import { readUki } from "../codecs/uki.js";
import { isBlankStore } from "../codecs/variable-store.js";
import { maxEnclave, readNamed } from "../measure/request.js";
import type { Launch, Manifest } from "../model/generated.js";
import { type Finding, sameBytes } from "./finding.js";

/**
 * The sections of a UKI that ukify and systemd-stub write: the parts, and the stub's own code and data (UAPI.5). Any other one could replace
 * a part, as .dtbauto, .ucode and .profile do.
 */
const ukiSections = [
  ...[".osrel", ".cmdline", ".uname", ".linux", ".initrd", ".sbat", ".sdmagic"],
  ...[".text", ".rodata", ".data", ".reloc", ".dynamic", ".dynsym", ".rela"],
];

/**
 * Checks that a unified kernel image or an enclave image contains exactly the kernel, initrd and command line that the image directory
 * also has as separate files, so that inspecting those is enough. Returns nothing for an image that has neither.
 */
export async function verifyBootImage(dir: string, manifest: Manifest, launch: Launch): Promise<Finding[]> {
  const names = manifest.artifacts.map(({ name }) => name);
  const [efi, eif] = [launch.boot === "disk" ? files.uki : names.find(isUki), launch.eif?.path ?? names.find(isEif)];
  const others = names.filter((name) => (isUki(name) || isEif(name)) && name !== efi && name !== eif);
  if (efi === undefined && eif === undefined) return [];
  const [name = "initrd", ...more] = names.filter(isInitrd);
  if (more.length > 0) return [{ what: "initrd", ok: false, expected: "one", found: [name, ...more].join(", ") }];
  const { bytes: kernel } = await readNamed(join(dir, files.kernel));
  const { bytes: initrd } = await readNamed(join(dir, name), maxEnclave);
  const cmdline = Buffer.from(launch.cmdline, "utf8");
  const compare = (what: string, bytes: Uint8Array | undefined, expected: Uint8Array): Finding => ({
    what,
    ...sameBytes(bytes !== undefined && Buffer.compare(bytes, expected) === 0),
  });
  const findings: Finding[] = others.map((name) => ({ what: name, ok: false, expected: "one boot image", found: "another one" }));
  if (efi !== undefined) {
    const uki = readUki((await readNamed(join(dir, efi))).bytes, join(dir, efi));
    const foreign = uki.image.sections.map((section) => section.name).filter((section) => !ukiSections.includes(section));
    findings.push(
      { what: `${efi}: sections`, ok: foreign.length === 0, expected: "those of systemd-stub and ukify", found: foreign.join(", ") },
      compare(`${efi}: kernel equals ${files.kernel}`, uki.sections.get(".linux")?.bytes, kernel),
      compare(`${efi}: initrd equals ${name}`, uki.sections.get(".initrd")?.bytes, initrd),
      compare(`${efi}: command line equals ${files.launch}'s`, Buffer.from(uki.cmdline ?? "", "utf8"), cmdline),
    );
  }
  if (launch.boot === "disk" && names.includes(files.firmwareVars)) {
    const { bytes: store } = await readNamed(join(dir, files.firmwareVars));
    const blank = isBlankStore(store);
    // A boot option can start the UKI with other kernel parameters (systemd-stub(7), "Description").
    findings.push({ what: `${files.firmwareVars}: no variable`, ok: blank, expected: "none", found: blank ? "none" : "EFI variables" });
  }
  if (eif !== undefined) {
    const image = readEif((await readNamed(join(dir, eif), maxEnclave)).bytes, join(dir, eif));
    const parts = enclaveParts(gunzipWhole(initrd, join(dir, name), MAX_ROOT_BYTES));
    const [expected, found] = [`${parts.length}`, `${image.ramdisks.length}`];
    findings.push(
      compare(`${eif}: kernel equals ${files.kernel}`, image.kernel, kernel),
      compare(`${eif}: command line equals ${files.launch}'s`, image.cmdline, cmdline),
      ...(expected === found ? [] : [{ what: `${eif}: number of ramdisks`, ok: false, expected, found }]),
      ...parts.map((part, index) => {
        const packed = image.ramdisks[index];
        // One byte more than the part is enough to see that a ramdisk is longer.
        const ramdisk = `${join(dir, eif)}: ramdisk ${index + 1}`;
        const unpacked = packed === undefined ? undefined : gunzipWhole(packed, ramdisk, part.length + 1);
        return compare(`${eif}: ramdisk ${index + 1} equals its part of ${name}`, unpacked, part);
      }),
    );
  }
  return findings;
}
