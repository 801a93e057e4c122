import { expect, test } from "vitest";
import { eifName, files, initrdName, isArtifact, isEif, isInitrd, isRemade, isUki, isUnlisted } from "../../src/bundle/files.js";

/** Files of BINARIES_DIR, and the predicates that hold for each. */
test.each([
  ["bzImage", ["artifact"]],
  ["rootfs.ext4", ["artifact", "remade"]],
  ["rootfs.verity", ["artifact", "remade"]],
  ["rootfs.roothash", ["artifact", "remade"]],
  ["disk.img", ["artifact", "remade"]],
  ["boot.efi", ["artifact", "remade", "uki"]],
  ["sev-snp.eif", ["artifact", "remade", "eif"]],
  ["initramfs.cpio.zst", ["artifact", "remade", "initrd"]],
  ["rootfs.cpio.gz", ["artifact", "remade", "initrd"]],
  ["rootfs.cpio", ["remade", "initrd"]],
  ["rootfs.ext2", ["remade"]],
  ["cmdline", ["remade"]],
  ["efi-part", []],
  ["my-disk.img", []],
  ["a b.eif", ["remade", "eif"]],
  ["manifest.json", ["unlisted"]],
  ["build.log", ["unlisted"]],
])("%s is %s", (name, expected) => {
  const predicates = { artifact: isArtifact, remade: isRemade, initrd: isInitrd, eif: isEif, uki: isUki, unlisted: isUnlisted };
  const holding = Object.entries(predicates).filter(([, holds]) => holds(name));
  expect(holding.map(([word]) => word)).toEqual(expected);
});

test("the names that a build makes are those that it recognizes", () => {
  for (const root of ["ram", "verity"] as const)
    for (const compression of ["gzip", "zstd"] as const) expect(isInitrd(initrdName(root, compression))).toBe(true);
  expect(isEif(eifName("nitro"))).toBe(true);
  expect(isUki(files.uki)).toBe(true);
});
