import { expect, test } from "vitest";
import { wasResetEarly } from "../../src/prove/boot.js";

const silent = { ending: "guest-reset", facts: new Map(), console: "" } as const;

test("a reset is early only if neither probe nor console reports a reason", () => {
  expect(wasResetEarly(silent)).toBe(true);
  expect(wasResetEarly({ ...silent, console: "Kernel panic - not syncing: Fatal exception in interrupt" })).toBe(true);
  expect(wasResetEarly({ ...silent, console: "Kernel panic - not syncing: VFS" })).toBe(false);
  expect(wasResetEarly({ ...silent, console: "hal: mount the verified root: failed, powering off" })).toBe(false);
  expect(wasResetEarly({ ...silent, facts: new Map([["stage", ["early"]]]) })).toBe(false);
  expect(wasResetEarly({ ...silent, ending: "guest-shutdown" })).toBe(false);
});
