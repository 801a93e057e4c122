import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BootRecord } from "../../src/prove/boot.js";
import type { Outcome } from "../../src/prove/cases/case.js";
import { checkOutcome, noCrashRecord } from "../../src/prove/cases/outcome.js";
import { parseFacts } from "../../src/prove/facts.js";
import { hardenedPromises } from "./promises.js";

const recorded = parseFacts(await readFile(join(import.meta.dirname, "recorded/busybox.txt"), "utf8"));
const failureLine = "hal: open the dm-verity root: failed, powering off\r\n";
const ended: BootRecord = { ending: "guest-shutdown", seconds: 10, console: failureLine, facts: parseFacts("stage=early\n") };
const running = (tamper: string): BootRecord => ({ ...ended, console: "", facts: parseFacts(`init=init\ntamper=ready\n${tamper}`) });

const failed = (outcome: Outcome, record: BootRecord): string[] =>
  checkOutcome(outcome, record, hardenedPromises, { rw: [], swap: [] })
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);

test.each<[string, Outcome, BootRecord, string[]]>([
  ["a failure line and power-off", "off", ended, []],
  ["a kernel panic", "off", { ...ended, ending: "guest-panic", console: "[ 1.0] Kernel panic - not syncing: VFS\r\n" }, []],
  ["a guest that does not stop", "off", { ...ended, ending: "killed" }, ["guest stops by itself"]],
  ["a started init", "off", { ...ended, facts: parseFacts("stage=init\ninit=init\n") }, ["init of the image not started"]],
  ["a shell", "off", { ...ended, console: `${failureLine}hal-shell-42\r\n` }, ["no shell on the console"]],
  ["no failure line", "off", { ...ended, console: "Linux version 6.12\r\n" }, ["one failure line"]],
  ["two failure lines", "off", { ...ended, console: `${failureLine}${failureLine}` }, ["one failure line"]],
  ["a normal boot with console output", "works", { ...ended, facts: recorded }, []],
  ["an incomplete boot", "works", { ...ended, facts: parseFacts("") }, expect.arrayContaining(["startup complete", "root is verified"])],
  ["a shell in a normal boot", "works", { ...ended, facts: recorded, console: "hal-shell-42" }, ["no shell", "no shell on the console"]],
  ["an I/O error", "detected", running("tamper=error\n"), []],
  ["a stop while reading", "detected", running(""), ["changed data is not read"]],
  ["the changed data", "detected", running("tamper=different\n"), ["changed data is not read"]],
  ["the old data", "detected", running("tamper=same\n"), ["changed data is not read"]],
  ["no change", "detected", { ...ended, console: "" }, ["changed data is not read"]],
  ["an I/O error of the root", "stops", running("tamper=error\n"), []],
  ["a stop while reading the root", "stops", running(""), []],
  ["the changed data of the root", "stops", running("tamper=different\n"), ["changed data is not read"]],
])("%s, where '%s' is expected", (_what, outcome, record, fails) => {
  expect(failed(outcome, record)).toEqual(fails);
});

test("a crash record is found by its signature", () => {
  const store = Buffer.alloc(8192);
  store.write("ERST");
  expect(noCrashRecord(store)).toMatchObject({ ok: true, found: "none" });
  store.write("CPER", 4096);
  expect(noCrashRecord(store)).toMatchObject({ ok: false, found: "a record at 0x1000" });
});
