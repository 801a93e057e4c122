import { expect, test } from "vitest";
import { type PhaseTimes, readPhaseTimes, remainingPhases, secondsLeft } from "../../src/backends/buildroot/times.js";

/** As package/pkg-generic.mk of Buildroot writes it. */
function log(...lines: readonly (readonly [at: number, edge: "start" | "end", step: string, name: string])[]): string {
  return lines.map(([at, edge, step, name]) => `${at}.000000000:${edge.padEnd(5)}:${step.padEnd(20)}: ${name}\n`).join("");
}

test("phases that run at once share the time", () => {
  const times = readPhaseTimes(
    log([100, "start", "build", "linux"], [110, "start", "build", "zlib"], [120, "end", "build", "zlib"], [140, "end", "build", "linux"]),
  );
  expect(times).toEqual({ linux: { build: { seconds: 40, share: 35 } }, zlib: { build: { seconds: 10, share: 5 } } });
});

test("Buildroot's several installations are one phase, a synced source tree is an extracted one", () => {
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

test("the last time counts; what never ended does not", () => {
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

test("what is left is what the rest took last time, less what has run of it", () => {
  const linux = { name: "linux", phases: ["configure", "build"] as const, running: {} };
  const zlib = { name: "zlib", phases: ["build"] as const, running: {} };
  expect(secondsLeft(last, [linux, zlib], 20)).toBe(94);
  expect(secondsLeft(last, [{ ...linux, phases: ["build"], running: { build: 50 } }, zlib], 20)).toBe(54);
  // Slower than last time: nothing is left of it, but all of what has not begun.
  expect(secondsLeft(last, [{ ...linux, phases: ["build"], running: { build: 900 } }, zlib], 20)).toBe(24);
  expect(secondsLeft(last, [], 20)).toBe(20);
});

test("nobody knows how long a package takes that was never built", () => {
  expect(secondsLeft(last, [{ name: "bash", phases: ["build"], running: {} }], 20)).toBeUndefined();
});

test("what a package has still to do, by its stamps", () => {
  const phases = (...stamps: readonly string[]) => remainingPhases((stamp) => stamps.includes(stamp));
  expect(phases()).toEqual(["download", "extract", "patch", "configure", "build", "install"]);
  expect(phases(".stamp_downloaded", ".stamp_extracted", ".stamp_patched")).toEqual(["configure", "build", "install"]);
  expect(phases(".stamp_rsynced")).toEqual(["configure", "build", "install"]);
  expect(phases(".stamp_installed")).toEqual([]);
});
