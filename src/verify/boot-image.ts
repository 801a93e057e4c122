import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { enclaveParts, MAX_ROOT_BYTES } from "../build/eif.js";
import { readEif } from "../codecs/eif.js";
import { readUki } from "../codecs/uki.js";
import { maxEnclave, readNamed } from "../measure/request.js";
import type { Launch, Manifest } from "../model/generated.js";
import type { Finding } from "./finding.js";

/**
 * That one file which boots everything, a unified kernel image or an enclave image, is made of the files beside it: whoever looks into
 * those knows what is in it.
 */
export async function verifyBoot(dir: string, manifest: Manifest, launch: Launch): Promise<Finding[]> {
  const names = manifest.artifacts.map(({ name }) => name);
  const find = (pattern: RegExp): string | undefined => names.find((name) => pattern.test(name));
  const [efi, eif] = [find(/\.efi$/), find(/\.eif$/)];
  if (efi === undefined && eif === undefined) return [];
  const kernel = await readFile(join(dir, "bzImage"));
  const name = find(/^(rootfs|initramfs)\.cpio\./) ?? "initrd";
  const initrd = await readFile(join(dir, name));
  const same = (file: string, what: string, bytes: Uint8Array | undefined, whole: Uint8Array, from: string): Finding => {
    const ok = bytes !== undefined && Buffer.compare(bytes, whole) === 0;
    return { what: `${file}: ${what} is ${from}`, ok, ...(ok ? {} : { expected: "the same bytes", found: "other bytes" }) };
  };
  const cmdline = Buffer.from(launch.cmdline, "utf8");
  const findings: Finding[] = [];
  if (efi !== undefined) {
    const uki = readUki((await readNamed(join(dir, efi))).bytes, join(dir, efi));
    findings.push(
      same(efi, "kernel", uki.sections.get(".linux")?.bytes, kernel, "bzImage"),
      same(efi, "initrd", uki.sections.get(".initrd")?.bytes, initrd, name),
      same(efi, "command line", Buffer.from(uki.cmdline ?? "", "utf8"), cmdline, "launch.json's"),
    );
  }
  if (eif !== undefined) {
    const image = readEif((await readNamed(join(dir, eif), maxEnclave)).bytes, join(dir, eif));
    const parts = enclaveParts(gunzipSync(initrd, { maxOutputLength: MAX_ROOT_BYTES }));
    findings.push(
      same(eif, "kernel", image.kernel, kernel, "bzImage"),
      same(eif, "command line", image.cmdline, cmdline, "launch.json's"),
      ...(image.ramdisks.length === parts.length
        ? []
        : [{ what: `${eif}: ramdisks`, ok: false, expected: `${parts.length}`, found: `${image.ramdisks.length}` }]),
      ...parts.map((part, index) => {
        const packed = image.ramdisks[index];
        // One that unpacks to more than the part is not the part.
        const unpacked = packed === undefined ? undefined : gunzipSync(packed, { maxOutputLength: part.length + 1 });
        return same(eif, `ramdisk ${index + 1}`, unpacked, part, `a part of ${name}`);
      }),
    );
  }
  return findings;
}
