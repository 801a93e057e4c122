import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runSteps } from "../../src/lib/progress.js";

let dir: string;
let written: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hal-progress-"));
  written = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

test("an interruption is for hal to handle, which puts things away and exits with 130", async () => {
  const before = process.listenerCount("SIGINT");
  let during = -1;
  const run = async (): Promise<void> => {
    during = process.listenerCount("SIGINT");
  };
  await runSteps([{ title: "work", run }], join(dir, "times.json"));
  expect(during).toBe(before);
});

test("the time left is the work's own word, where it has one, and else what it took last time", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const times = join(dir, "times.json");
  const run = async (report: (text: string, left?: number) => void): Promise<void> => {
    now += 10_000;
    report("half", 90);
    now += 30_000;
    report("on");
  };
  await runSteps([{ title: "work", run, tellsTimeLeft: true }], times);
  const told = written.join("");
  expect(told).toContain("half · 10 s, about 1 min 30 s left");
  expect(told).toContain("on · 40 s, about 60 s left");
  expect(told).not.toContain("takes about");
  written = [];
  const silent = async (report: (text: string) => void): Promise<void> => {
    now += 10_000;
    report("again");
  };
  await runSteps([{ title: "work", run: silent }], times);
  expect(written.join("")).toContain("takes about 40 s");
  expect(written.join("")).toContain("again · 10 s, about 30 s left");
});
