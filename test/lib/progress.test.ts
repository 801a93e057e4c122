import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { HalError } from "../../src/lib/errors.js";
import { Plan, type Report } from "../../src/lib/plan.js";
import { runPlan } from "../../src/lib/progress.js";

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

test("each step takes what the one before returns, and the plan returns what the last one returns", async () => {
  const half = Plan.begin<number>().add({ title: "halve", run: async (value) => value / 2, result: (value) => `${value} left` });
  const plan = Plan.begin<string>()
    .add({ title: "count", run: async (text) => text.length })
    .addIf(false, { title: "never", run: async () => 0 })
    .addIf(true, { title: "double", run: async (value) => value * 2 })
    .concat(half);
  expect(plan.titles).toEqual(["count", "double", "halve"]);
  expect(await runPlan(plan, "four", join(dir, "times.json"))).toBe(4);
  expect(written.join("")).toContain("halve: 4 left");
  expect(written.join("")).not.toContain("never");
});

test("the refusals of all steps are checked in order, and no step runs", async () => {
  const checked: string[] = [];
  const refusal =
    (name: string, refuses = false) =>
    async () => {
      checked.push(name);
      if (refuses) throw new Error(name);
    };
  const run = async (value: number) => {
    checked.push("run");
    return value;
  };
  const plan = Plan.begin<number>()
    .add({ title: "first", refusals: [refusal("a"), refusal("b")], run })
    .add({ title: "second", refusals: [refusal("c", true), refusal("d", true)], run });
  await expect(plan.refuse()).rejects.toThrow("c");
  expect(checked).toEqual(["a", "b", "c"]);
});

test("an interruption is left to hal, which cleans up and exits with 130", async () => {
  const before = process.listenerCount("SIGINT");
  let during = -1;
  const run = async (): Promise<void> => {
    during = process.listenerCount("SIGINT");
  };
  await runPlan(Plan.begin<undefined>().add({ title: "work", run }), undefined, join(dir, "times.json"));
  expect(during).toBe(before);
});

test("the time left is what the work reports, or else the time of the last run", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const times = join(dir, "times.json");
  const run = async (_: undefined, report: Report): Promise<void> => {
    now += 10_000;
    report("half", 90);
    now += 30_000;
    report("on");
  };
  await runPlan(Plan.begin<undefined>().add({ title: "work", run, reportsTimeLeft: true }), undefined, times);
  const shown = written.join("");
  expect(shown).toContain("half · 10 s, about 1 min 30 s left");
  expect(shown).toContain("on · 40 s, about 60 s left");
  expect(shown).not.toContain("takes about");
  written = [];
  const silent = async (_: undefined, report: Report): Promise<void> => {
    now += 10_000;
    report("again");
  };
  await runPlan(Plan.begin<undefined>().add({ title: "work", run: silent }), undefined, times);
  expect(written.join("")).toContain("takes about 40 s");
  expect(written.join("")).toContain("again · 10 s, about 30 s left");
});

test("titles, reports, results and errors of steps do not control the terminal", async () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const hostile = "\u001b[2J\u202e\nx";
  const run = async (_: undefined, report: Report): Promise<void> => {
    now += 10_000;
    report(hostile);
  };
  const fail = async (): Promise<void> => {
    throw new HalError("input", hostile);
  };
  const plan = Plan.begin<undefined>()
    .add({ title: hostile, run, result: () => hostile })
    .add({ title: "fail", run: fail });
  await expect(runPlan(plan, undefined, join(dir, "times.json"))).rejects.toMatchObject({ kind: "input", message: hostile });
  const shown = written.join("");
  expect(shown.split("\\x1b[2J\\u202e\\nx").length).toBeGreaterThan(5);
  expect(shown).not.toContain("\u001b[2J");
  expect(shown).not.toContain("\u202e");
});
