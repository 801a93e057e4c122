import { expect, test } from "vitest";
import { type PhaseTimes, readPhaseTimes, remainingPhases, secondsLeft } from "../../src/backends/buildroot/times.js";

/** The format of package/pkg-generic.mk. */
function log(...lines: readonly (readonly [at: number, edge: "start" | "end", step: string, name: string])[]): string {
  return lines.map(([at, edge, step, name]) => `${at}.000000000:${edge.padEnd(5)}:${step.padEnd(20)}: ${name}\n`).join("");
}

test("phases that run in parallel share the time", () => {
  const times = readPhaseTimes(
    log([100, "start", "build", "linux"], [110, "start", "build", "zlib"], [120, "end", "build", "zlib"], [140, "end", "build", "linux"]),
  );
  expect(times).toEqual({ linux: { build: { seconds: 40, share: 35 } }, zlib: { build: { seconds: 10, share: 5 } } });
});

test("all installations of a package are one phase, and a synced source tree counts as extracted", () => {
  const times = readPhaseTimes(
    log(
      [0, "start", "rsync", "a"],
      [1, "end", "rsync", "a"],
      [2, "start", "install-staging", "a"],
      [4, "end", "install-staging", "a"],
      [5, "start", "install-target", "a"],
      [8, "end", "install-target", "a"],
    ),
  );
  expect(times).toEqual({ a: { extract: { seconds: 1, share: 1 }, install: { seconds: 5, share: 5 } } });
});

test("the last run counts; a step without an end does not", () => {
  const times = readPhaseTimes(
    log(
      [0, "start", "build", "a"],
      [9, "end", "build", "a"],
      [20, "start", "build", "a"], // killed
      [500, "start", "build", "a"],
      [503, "end", "build", "a"],
      [504, "start", "build", "b"],
    ),
  );
  expect(times).toEqual({ a: { build: { seconds: 3, share: 3 } } });
});

const last: PhaseTimes = {
  linux: { configure: { seconds: 10, share: 10 }, build: { seconds: 100, share: 60 } },
  zlib: { build: { seconds: 8, share: 4 } },
};

test("the time left is the last duration of the rest, less the time that has passed", () => {
  const linux = { name: "linux", phases: ["configure", "build"] as const, running: {} };
  const zlib = { name: "zlib", phases: ["build"] as const, running: {} };
  expect(secondsLeft(last, [linux, zlib], 20)).toBe(94);
  expect(secondsLeft(last, [{ ...linux, phases: ["build"], running: { build: 50 } }, zlib], 20)).toBe(54);
  // Slower than last time: nothing is left of the running phase, and everything of the others.
  expect(secondsLeft(last, [{ ...linux, phases: ["build"], running: { build: 900 } }, zlib], 20)).toBe(24);
  expect(secondsLeft(last, [], 20)).toBe(20);
});

test("a package that was never built has no estimate", () => {
  expect(secondsLeft(last, [{ name: "bash", phases: ["build"], running: {} }], 20)).toBeUndefined();
});

test("stamps show the remaining phases of a package", () => {
  const phases = (...stamps: readonly string[]) => remainingPhases((stamp) => stamps.includes(stamp));
  expect(phases()).toEqual(["download", "extract", "patch", "configure", "build", "install"]);
  expect(phases(".stamp_downloaded", ".stamp_extracted", ".stamp_patched")).toEqual(["configure", "build", "install"]);
  expect(phases(".stamp_rsynced")).toEqual(["configure", "build", "install"]);
  expect(phases(".stamp_installed")).toEqual([]);
});
