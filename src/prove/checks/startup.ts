import { endingText } from "../../launch/qmp.js";
import { allValues, lastValue } from "../facts.js";
import { type CheckGroup, check, NOT_REPORTED } from "./check.js";

/** The state that the probe reports when startup is complete: of `systemctl is-system-running`, or its own word for BusyBox init. */
const COMPLETE = { systemd: "running", busybox: "settled" } as const;
const stateText = (state: string): string => (state === COMPLETE.busybox ? "start scripts finished" : state);

/** Startup is complete without a failed unit, and the probe has reported everything. */
export const startupChecks: CheckGroup = ({ init }, { facts, ending }) => {
  const stage = lastValue(facts, "stage");
  const state = lastValue(facts, "state") ?? (stage === undefined ? "the probe did not start" : `the boot stopped in stage '${stage}'`);
  const units = allValues(facts, "failed").map((line) => line.trim().split(/\s+/)[0]);
  const failed = units.length === 0 ? "" : `; failed units: ${units.join(", ")}`;
  const end = lastValue(facts, "end");
  return [
    check("startup complete", state === COMPLETE[init], stateText(COMPLETE[init]), `${stateText(state)}${failed}`),
    check(
      "probe report complete",
      end === "ok" && ending === "guest-shutdown",
      "complete, guest powered off",
      `${end === undefined ? NOT_REPORTED : "complete"}, ${endingText[ending]}`,
    ),
  ];
};
