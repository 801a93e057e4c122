import { describe, expect, test } from "vitest";
import { digestsOf } from "../../src/lib/banks.js";
import { predictRtmr } from "../../src/measure/tdx/rtmr.js";
import { buildLinux } from "../codecs/build-pe.js";
import { readInput } from "../vectors/read-input.js";
import vectors from "../vectors/tdx-rtmr.json" with { type: "json" };

describe("RTMR1 and RTMR2 agree with dstack-mr", () => {
  test.each([
    ["8.2", "2022.11", vectors.patchedRtmr1, vectors.suffixRtmr2],
    ["10.1", "2025.02", vectors.unpatchedRtmr1, vectors.suffixRtmr2],
    ["10.1", "2025.05", vectors.unpatchedRtmr1, vectors.suffixRtmr2],
    ["10.1", "2025.08", vectors.unpatchedRtmr1, vectors.prefixRtmr2],
  ])("QEMU %s, edk2 %s", (qemuVersion, firmwareVersion, rtmr1, rtmr2) => {
    const initrd = readInput("initrd-busybox.cpio.gz");
    const { values } = predictRtmr({
      kernel: { file: "k61", bytes: readInput("vmlinuz-6.1.0-56-cloud-amd64") },
      initrd: { size: initrd.length, digests: digestsOf(initrd) },
      cmdline: vectors.cmdline,
      memory: vectors.memory,
      qemuVersion,
      firmwareVersion,
    });
    expect(values.map(({ value }) => value)).toEqual([rtmr1, rtmr2]);
  });
});

test.each([
  ["2025.02", "6.12.1 ", []],
  ["2024.11", "6.9.0 ", []],
  ["2022.11-6+deb12u2", "6.8.0-45-generic ", ["rtmr1 of edk2 2022.11-6+deb12u2", "rtmr2 of Linux 6.8"]],
  ["2024.08", "no release", ["rtmr1 of edk2 2024.08"]],
])("lists what edk2 %s and Linux %s measure differently", (firmwareVersion, release, expected) => {
  const boot = {
    kernel: { file: "k", bytes: buildLinux(release) },
    cmdline: "quiet",
    memory: 2 ** 31,
    qemuVersion: "10.2",
    firmwareVersion,
  };
  const { values, notPredicted } = predictRtmr(boot);
  expect(values.map(({ register }) => register)).toEqual(["rtmr1", "rtmr2"]);
  expect(notPredicted.map(({ register }) => register)).toEqual([...expected, "rtmr0", "rtmr3"]);
});
