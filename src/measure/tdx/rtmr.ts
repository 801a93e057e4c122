import { linuxVersion } from "../../codecs/bzimage.js";
import { atLeast } from "../../lib/versions.js";
import { actions, type NotPredicted, type RegisterValue, registerValues } from "../events.js";
import { type DirectBoot, firmwareGeneration, kernelEvent, linuxEvents } from "../vtpm/kernel-boot.js";

/** The other two registers. */
const others: readonly NotPredicted[] = [
  {
    register: "rtmr0",
    why: "holds the TD hand-off block, ACPI tables and boot variables: it depends on the whole machine, not on the image",
  },
  { register: "rtmr3", why: "left to the operating system" },
];

/**
 * RTMR1 and RTMR2 of a TD after direct kernel boot (TDVF Design Guide, "Measurement"; UEFI Specification 38, "Confidential Computing":
 * PCR 2 to 6 become RTMR1, PCR 8 to 15 RTMR2). The only bank is SHA-384. `notPredicted` lists older releases with other values.
 */
export function predictRtmr(boot: Omit<DirectBoot, "guest">): {
  readonly values: readonly RegisterValue[];
  readonly notPredicted: readonly NotPredicted[];
} {
  const tdx: DirectBoot = { ...boot, guest: "tdx" };
  return {
    values: [
      ...registerValues(
        "rtmr1",
        [kernelEvent(tdx), actions.callingApplication, actions.separator, ...actions.exitBootServices],
        ["sha384"],
      ),
      ...registerValues("rtmr2", linuxEvents(tdx), ["sha384"]),
    ],
    notPredicted: [...deviations(boot), ...others],
  };
}

/** Releases that measure something else, unless their builder has backported the change. */
function deviations({ kernel, firmwareVersion }: Omit<DirectBoot, "guest">): readonly NotPredicted[] {
  const linux = linuxVersion(kernel.bytes, kernel.file);
  return [
    // edk2 efaf8931bb, OvmfPkg/TdTcg2Dxe
    ...(atLeast(firmwareGeneration(firmwareVersion), 2024, 11)
      ? []
      : [
          {
            register: `rtmr1 of edk2 ${firmwareVersion}`,
            why: "edk2 before 2024.11 measures the separator into RTMR0, where it belongs into RTMR1",
          },
        ]),
    // Linux drivers/firmware/efi/libstub, "Measure into CC protocol if TCG2 protocol is absent"
    ...(linux === undefined || atLeast(linux, 6, 9)
      ? []
      : [
          {
            register: `rtmr2 of Linux ${linux.text}`,
            why: "Linux before 6.9 measures command line and initrd into a TPM, and into no RTMR",
          },
        ]),
  ];
}
