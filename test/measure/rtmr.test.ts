import { expect, test } from "vitest";
import { digestsOf } from "../../src/measure/banks.js";
import { predictRtmr } from "../../src/measure/rtmr.js";
import vectors from "../vectors/tdx-rtmr.json" with { type: "json" };
import { describeWithInputs, readInput } from "./inputs.js";

describeWithInputs("RTMR1 and RTMR2 agree with dstack-mr", () => {
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
