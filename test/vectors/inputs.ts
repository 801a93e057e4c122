import { join } from "node:path";
import { cacheRoot } from "../../src/lib/paths.js";

/** A file that vectors were made with, and the Debian package that ships it. */
export interface Input {
  /** A suite whose archive has this version of the package. */
  readonly suite: string;
  readonly package: string;
  readonly version: string;
  /** Path of the file in the package. */
  readonly file: string;
  /** The input is an initrd: this archive of test/vectors with the file's bytes inserted at the offset, packed by `gzip -9n`. */
  readonly initrd?: { readonly archive: string; readonly offset: number };
  /** Digest of the input: of the file, or of the initrd. */
  readonly sha256: string;
}

const ovmfBookworm = { suite: "bookworm", version: "2022.11-6+deb12u2" };
const ovmfTrixie = { suite: "trixie", version: "2025.02-8+deb13u1" };
const ovmfSid = { suite: "sid", version: "2026.08+ds-2" };

/**
 * The large inputs of the vectors, by the name that the vectors use. They are other people's binaries, so they are not
 * in this repository: `npx tsx scripts/fetch-inputs.ts` (which `npm test` runs) fetches them from Debian's archive into
 * hal's cache and compares the digests. An archive keeps a version until the next one replaces it; sid's change most often.
 * The small inputs are in this directory: tiny.eif and minimal.igvm, both made by hand.
 */
export const inputs: Readonly<Record<string, Input>> = {
  "OVMF-2022.11-6+deb12u2.fd": {
    ...ovmfBookworm,
    package: "ovmf",
    file: "usr/share/ovmf/OVMF.fd",
    sha256: "7b456907dd0786d415999e801a1ac4637b8ed4d7cf5378cfc6edbe5e574dd773",
  },
  "OVMF-2025.02-8+deb13u1.fd": {
    ...ovmfTrixie,
    package: "ovmf",
    file: "usr/share/ovmf/OVMF.fd",
    sha256: "14954040cc754ade0c625ac3470ea46d4c14318b5b1396de4ef77090203d76db",
  },
  // From 2026.08 on, the package ovmf is empty and its files are in ovmf-generic.
  "OVMF-2026.08+ds-2.fd": {
    ...ovmfSid,
    package: "ovmf-generic",
    file: "usr/share/ovmf/OVMF.fd",
    sha256: "6a3e8f438ad7269f5dfd884647587b88391fb23965bb3aa7902b519438dba129",
  },
  "OVMF.amdsev-2026.08+ds-2.fd": {
    ...ovmfSid,
    package: "ovmf-amdsev",
    file: "usr/share/ovmf/OVMF.amdsev.fd",
    sha256: "3e4fd0b3fe3b2dbe481c3d9e99418a034174f26cbe1f55aa212b0f18c12d2d6f",
  },
  "OVMF.inteltdx.ms-2026.08+ds-2.fd": {
    ...ovmfSid,
    package: "ovmf-inteltdx",
    file: "usr/share/ovmf/OVMF.inteltdx.ms.fd",
    sha256: "a265075b4147a096109e501e76196df1ec8a18659c26f7401492c597ec88f312",
  },
  "OVMF.legacy-2026.08+ds-2.fd": {
    ...ovmfSid,
    package: "ovmf-legacy",
    file: "usr/share/ovmf/OVMF.legacy.fd",
    sha256: "2f88d4dc4c4d8391acd9848b582aac434061c3480c30d3414af86a6ff8d5e620",
  },
  "vmlinuz-6.1.0-56-cloud-amd64": {
    suite: "bookworm",
    package: "linux-image-6.1.0-56-cloud-amd64",
    version: "6.1.192-2",
    file: "boot/vmlinuz-6.1.0-56-cloud-amd64",
    sha256: "51349501a3d1ff83836437d2b365fd2d57f2feb8642d315e5181dec23d4c3275",
  },
  "vmlinuz-6.12.107+deb13-cloud-amd64": {
    suite: "trixie",
    package: "linux-image-6.12.107+deb13-cloud-amd64",
    version: "6.12.107-1",
    file: "boot/vmlinuz-6.12.107+deb13-cloud-amd64",
    sha256: "d1bc2c60a78ae6979736d081bc3c90e45ace6baf414f767dff588e319d3492bd",
  },
  // bin/busybox and an /init that prints the PCRs: the initrd of the boots in vtpm.json.
  "initrd-busybox.cpio.gz": {
    suite: "bookworm",
    package: "busybox-static",
    version: "1:1.35.0-4+deb12u1+b1",
    file: "bin/busybox",
    initrd: { archive: "initrd-without-busybox.cpio", offset: 352 },
    sha256: "cab728143ffe0d1e352bb02319d5431e0b0a208934efd8853675c4601ed37287",
  },
};

/** Where the script puts an input and the tests look for it. */
export function inputPath(name: string): string {
  return join(cacheRoot(), "test-inputs", name);
}
