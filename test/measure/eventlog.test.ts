import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readEventLog } from "../../src/codecs/eventlog.js";
import { actions, registerValues } from "../../src/measure/events.js";
import { replay } from "../../src/measure/vtpm/replay.js";
import { firstDivergences, registerMismatches } from "../../src/verify/eventlog-compare.js";
import { type BuiltEvent, buildEventLog } from "../codecs/build-eventlog.js";
import { fuzz } from "../codecs/fuzz.js";
import { mutate } from "../codecs/mutate.js";
import vectors from "../vectors/vtpm.json" with { type: "json" };

const action = 0x80000007;
const separator: BuiltEvent = { index: 5, type: 4, data: Buffer.alloc(4) };
const text = (index: number, what: string): BuiltEvent => ({ index, type: action, data: Buffer.from(what) });
const invocation = text(5, "Exit Boot Services Invocation");
const success = text(5, "Exit Boot Services Returned with Success");
const bytes = buildEventLog([separator, text(4, "Calling EFI Application from Boot Option"), invocation, success]);
const log = readEventLog(bytes, "log", "tpm");
const pcr5 = registerValues("pcr5", [actions.separator, ...actions.exitBootServices]);
const pcr4 = registerValues("pcr4", [actions.callingApplication]);

describe("replay", () => {
  test("yields what a TPM held", () => {
    expect(replay(log, "sha256").get("pcr5")).toBe(vectors.boots[0]?.pcrs[5]);
  });

  test("yields what is predicted in every bank, and knows which banks there are", () => {
    expect(log.banks).toEqual(["sha1", "sha256", "sha384"]);
    expect(registerMismatches(log, [...pcr4, ...pcr5])).toEqual([]);
  });

  test("names the register whose reported value differs from the replayed log", () => {
    const [first] = registerMismatches(log, [{ register: "pcr4", bank: "sha1", value: "11".repeat(20) }]);
    expect(first).toMatch(/^pcr4 in sha1: the log replays to [0-9a-f]{40}, but the reported value is 1{40}$/);
  });

  test("skips PCR 10, which IMA logs elsewhere, and starts PCR 17 to 22 with ones", () => {
    const given = [10, 16, 17, 22, 23].map((index) => ({ register: `pcr${index}`, bank: "sha256" as const, value: "ff".repeat(32) }));
    expect(registerMismatches(log, given).map((line) => line.slice(0, 5))).toEqual(["pcr16", "pcr23"]);
  });

  test("skips EV_NO_ACTION, and starts PCR 0 with the logged locality", () => {
    const locality: BuiltEvent = { index: 0, type: 3, data: Buffer.concat([Buffer.from("StartupLocality\0"), Buffer.from([3])]) };
    const event = text(0, "first");
    const started = readEventLog(buildEventLog([locality, event]), "log", "tpm");
    expect(started.startupLocality).toBe(3);
    const start = Buffer.alloc(32);
    start.writeUInt8(3, 31);
    expect(replay(started, "sha256").get("pcr0")).toBe(hash("sha256", Buffer.concat([start, hash("sha256", "first", "buffer")])));
  });

  test("of a TD names RTMRs and stops at the unused bytes", () => {
    for (const filler of [0xff, 0]) {
      const ccel = Buffer.concat([buildEventLog([text(1, "a"), text(2, "b"), text(0, "c")], ["sha384"]), Buffer.alloc(100, filler)]);
      expect([...replay(readEventLog(ccel, "ccel", "ccel"), "sha384").keys()]).toEqual(["rtmr0", "rtmr1"]);
    }
  });
});

describe("the first event that is not as predicted", () => {
  const differ = (events: readonly BuiltEvent[]) =>
    firstDivergences(readEventLog(buildEventLog(events), "log", "tpm"), [...pcr4, ...pcr5]).map(({ what }) => what);

  test("none", () => {
    expect(firstDivergences(log, [...pcr4, ...pcr5])).toEqual([]);
  });

  test.each<[string, BuiltEvent[], string]>([
    [
      "another event",
      [separator, invocation, text(5, "Exit Boot Services Returned with Failure")],
      "event 3 of pcr5: the log contains EV_EFI_ACTION 'Exit Boot Services Returned with Failure', but the prediction is 'Exit Boot Services Returned with Success'",
    ],
    [
      "a missing event",
      [separator, invocation],
      "event 3 of pcr5: the log ends, but the prediction is 'Exit Boot Services Returned with Success'",
    ],
    [
      "an event too many",
      [separator, invocation, success, separator],
      "event 4 of pcr5: the log contains EV_SEPARATOR, but no further event is predicted",
    ],
  ])("%s", (_, events, expected) => {
    expect(differ([text(4, "Calling EFI Application from Boot Option"), ...events])).toEqual([expected]);
  });

  test("comes in the order of the log", () => {
    expect(differ([text(5, "x"), text(4, "y")]).map((line) => line.slice(0, 15))).toEqual(["event 1 of pcr5", "event 1 of pcr4"]);
  });
});

describe("malformed logs", () => {
  const events = 32 + bytes.readUInt32LE(28);
  test.each<[string, (copy: Buffer) => unknown, string]>([
    ["old form", (copy) => copy.writeUInt32LE(8, 4), "not a crypto-agile"],
    ["no Spec ID", (copy) => copy.write("Spec ID Event02", 32), "Spec ID Event03"],
    ["no algorithms", (copy) => copy.writeUInt32LE(0, 56), "0 algorithms"],
    ["endless algorithms", (copy) => copy.writeUInt32LE(0xffffffff, 56), "4294967295 algorithms"],
    ["wrong digest size", (copy) => copy.writeUInt16LE(21, 62), "digests of 21 bytes"],
    ["an algorithm twice", (copy) => copy.writeUInt16LE(4, 64), "appears twice"],
    ["register", (copy) => copy.writeUInt32LE(24, events), "register 24"],
    ["number of digests", (copy) => copy.writeUInt32LE(0xffffffff, events + 8), "4294967295 digests"],
    ["unlisted algorithm", (copy) => copy.writeUInt16LE(18, events + 12), "algorithm 0x12"],
    ["event size", (copy) => copy.writeUInt32LE(0xffffffff, events + 12 + 172), "needs 4294967295 bytes"],
  ])("%s", (_, damage, message) => {
    const copy = Buffer.from(bytes);
    damage(copy);
    expect(() => readEventLog(copy, "log", "tpm")).toThrow(message);
  });

  test.each(["tpm", "ccel"] as const)("damaged logs are refused at an offset, or replayed: %s", (kind) => {
    // A TD counts registers from 0 to 4.
    const original =
      kind === "tpm" ? bytes : Buffer.concat([buildEventLog([0, 1, 2, 3, 4].map((index) => text(index, "x"))), Buffer.alloc(64, 0xff)]);
    const outcome = fuzz(
      (random) => mutate(original, random, random(2) === 0 ? 0 : 28, original.length),
      (copy) => replay(readEventLog(copy, "log", kind), "sha384"),
    );
    expect(outcome.accepted).toBeGreaterThan(1000);
    expect(outcome.refused).toBeGreaterThan(5000);
    expect(outcome.messages.size).toBeGreaterThan(8);
  });
});
