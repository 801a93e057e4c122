import { expect, test } from "vitest";
import { crashedEarly } from "../../src/prove/boot.js";

const silent = { ending: "guest-reset", facts: new Map(), console: "" } as const;

test("only a reset that nothing explains is the emulator's own", () => {
  expect(crashedEarly(silent)).toBe(true);
  expect(crashedEarly({ ...silent, console: "Kernel panic - not syncing: Fatal exception in interrupt" })).toBe(true);
  expect(crashedEarly({ ...silent, console: "Kernel panic - not syncing: VFS" })).toBe(false);
  expect(crashedEarly({ ...silent, console: "hal: mount the verified root: failed, powering off" })).toBe(false);
  expect(crashedEarly({ ...silent, facts: new Map([["stage", ["early"]]]) })).toBe(false);
  expect(crashedEarly({ ...silent, ending: "guest-shutdown" })).toBe(false);
});
