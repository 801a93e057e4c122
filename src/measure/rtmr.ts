import { actions, type NotPredicted, type RegisterValue, registerValues } from "./boot-events.js";
import { type DirectBoot, kernelEvent, linuxEvents } from "./kernel-boot.js";

/** Why the other two are not predicted. */
const notPredicted: readonly NotPredicted[] = [
  {
    register: "rtmr0",
    why: "holds the TD hand-off block, ACPI tables and boot variables: it depends on the whole machine, not on the image",
  },
  { register: "rtmr3", why: "left to the operating system" },
];

/**
 * RTMR1 and RTMR2 of a TD after direct kernel boot (TDVF Design Guide, "Measurement"; UEFI Specification 38, "Confidential Computing":
 * PCR 2 to 6 become RTMR1, PCR 8 to 15 RTMR2). Only SHA-384 exists. A UKI is refused: no such value has been compared with hardware or
 * another program.
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
    notPredicted,
  };
}
