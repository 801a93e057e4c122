import { expect, test } from "vitest";
import { type BuildEvent, parseBuildLine } from "../../src/kconfig/progress.js";
import { TimeRecorder, timeLeft } from "../../src/kconfig/times.js";

function event(line: string): BuildEvent {
  const found = parseBuildLine(line);
  if (found === undefined) throw new Error(line);
  return found;
}

const linux = event(">>> linux 6.12.91 Building");
const busybox = event(">>> busybox 1.37.0 Building");
const images = event(">>>   Generating filesystem image rootfs.ext2");

function recorded() {
  const recorder = new TimeRecorder();
  recorder.note(busybox, 1_000);
  recorder.note(linux, 100_000);
  recorder.note(linux, 150_000); // the same step again does not move its start
  recorder.note(images, 900_000);
  return recorder.times(1_000_000);
}

test("the time left is what the last build still took from the same step on, at today's pace", () => {
  const last = recorded();
  expect(timeLeft(last, linux, 100_000)).toBe(900_000);
  expect(timeLeft(last, linux, 200_000)).toBe(1_800_000);
  expect(timeLeft(last, images, 450_000)).toBe(50_000);
  expect(timeLeft(last, busybox, 10_000)).toBe(999_000); // too early to know the pace
});

test("another version of a package counts as the same step; an unknown step says nothing", () => {
  expect(timeLeft(recorded(), event(">>> linux 6.18.33 Building"), 100_000)).toBe(900_000);
  expect(timeLeft(recorded(), event(">>> bash 5.3 Building"), 100_000)).toBeUndefined();
});
