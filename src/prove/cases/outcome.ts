import { endingText } from "../../launch/qmp.js";
import type { BootRecord } from "../boot.js";
import { CONSOLE_CHECK } from "../checks/access.js";
import { type Check, check, type Evidence } from "../checks/check.js";
import { evaluate } from "../checks/index.js";
import { STORAGE_CHECK } from "../checks/storage.js";
import { failureLines, SHELL_ANSWER } from "../console.js";
import { lastValue } from "../facts.js";
import type { ImagePromises } from "../image.js";
import { AML_REACHED, type Outcome } from "./case.js";

/**
 * Checks the boot of a damaged image against the expected outcome. Pure.
 * @param disk the findings on the disk after the boot; only `works` needs them
 */
export function checkOutcome(expected: Outcome, record: BootRecord, promises: ImagePromises, disk: Evidence["disk"]): Check[] {
  return [...outcomeChecks[expected](record, promises, disk), ...(expected === "reached" ? [] : [noHostCode(record)])];
}

const outcomeChecks: Readonly<Record<Outcome, (record: BootRecord, promises: ImagePromises, disk: Evidence["disk"]) => Check[]>> = {
  off: (record) => [guestStops(record), initNotStarted(record), noShellAnswer(record), oneFailureLine(record)],
  works: (record, promises, disk) => {
    const { facts, console, ending } = record;
    // `hal test` without --hostile checks that an image writes nothing to the console, and loads the storage.
    const checks = evaluate(promises, { facts, console, ending, disk }).filter(
      ({ name }) => name !== CONSOLE_CHECK && name !== STORAGE_CHECK,
    );
    return [...checks, noShellAnswer(record)];
  },
  detected: (record) => [guestStops(record), noShellAnswer(record), changedDataRejected(record, ["error"])],
  stops: (record) => [guestStops(record), noShellAnswer(record), changedDataRejected(record, ["error", "ready"])],
  reached: (record) => [noShellAnswer(record), hostCode(record)],
};

/** The guest powered off or the kernel panicked. With `panic=-1` a panic is a reset, which a TEE guest does not survive. */
function guestStops({ ending, seconds }: BootRecord): Check {
  const found = ending === "killed" ? `${endingText.killed}, after ${Math.round(seconds)} s` : endingText[ending];
  return check("guest stops by itself", ending !== "killed", "power-off or panic", found);
}

function noShellAnswer({ console }: BootRecord): Check {
  const answered = console.includes(SHELL_ANSWER);
  return check("no shell on the console", !answered, "none", answered ? "a shell answered" : "none");
}

const ranHostCode = ({ console }: BootRecord): boolean => console.includes(AML_REACHED);

function noHostCode(record: BootRecord): Check {
  return check("no ACPI code of the host in memory", !ranHostCode(record), "none", ranHostCode(record) ? "it wrote to memory" : "none");
}

/** A kernel that cannot block the code must not pass for one that does: the promises of the image would be wrong. */
function hostCode(record: BootRecord): Check {
  const found = ranHostCode(record) ? "it wrote to memory" : "it did not run";
  return check("ACPI code of the host runs, as promised", ranHostCode(record), "it writes to memory", found);
}

function initNotStarted({ facts }: BootRecord): Check {
  const init = lastValue(facts, "init");
  const stage = lastValue(facts, "stage") === undefined ? "stopped in the kernel" : "stopped in early boot";
  return check("init of the image not started", init === undefined, "stopped before", init === undefined ? stage : `${init} started`);
}

function oneFailureLine({ console }: BootRecord): Check {
  const lines = failureLines(console);
  return check("one failure line", lines.length === 1, "one line 'hal: …', or a panic line of the kernel", lines.join(" / ") || "none");
}

/**
 * The last value of `tamper` in the probe's report after the host has changed the disk.
 * @param accepted the values that pass; `ready` is the last value when the guest stops while it reads the file
 */
function changedDataRejected({ facts, ending }: BootRecord, accepted: readonly string[]): Check {
  const value = lastValue(facts, "tamper");
  const texts: Readonly<Record<string, string>> = {
    error: "I/O error",
    ready: endingText[ending],
    different: "other data was read",
    same: "the data from before the change was read",
  };
  const found = value === undefined ? "the probe did not get to the change" : (texts[value] ?? value);
  const expected = accepted.includes("ready") ? "I/O error, or the guest stops" : "I/O error";
  return check("changed data is not read", value !== undefined && accepted.includes(value), expected, found);
}

/**
 * Checks the host's store of crash records after the boot.
 * A record starts with the signature of the Common Platform Error Record (UEFI 2.10, appendix N.2.1); the header of
 * QEMU's store has another signature.
 */
export function noCrashRecord(store: Buffer): Check {
  const offset = store.indexOf("CPER");
  return check("no crash record stored", offset < 0, "none", offset < 0 ? "none" : `a record at 0x${offset.toString(16)}`);
}
