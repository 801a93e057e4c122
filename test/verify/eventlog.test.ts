import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readEventLog } from "../../src/codecs/eventlog.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { replay } from "../../src/measure/vtpm/replay.js";
import { verifyEventLog } from "../../src/verify/eventlog.js";
import { buildEventLog } from "../codecs/build-eventlog.js";
import { buildPe } from "../codecs/build-pe.js";
import { launchOf } from "../launch/fixture.js";

const separators = [2, 3, 6].map((index) => ({ index, type: 4, data: Buffer.alloc(4) }));
const bytes = buildEventLog(separators);
const values = replay(readEventLog(bytes, "log", "tpm"), "sha256");
let dir: string;
const at = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-verify-eventlog-"));
  await writeFile(at("launch.json"), canonicalJson(await launchOf("dev")));
  await writeFile(at("bzImage"), buildPe([{ name: ".text", data: Buffer.alloc(4096) }]));
  await writeFile(at("initramfs.cpio.gz"), "initrd");
  await writeFile(at("log"), bytes);
});
afterAll(() => rm(dir, { recursive: true }));

const options = { qemuVersion: "10.0", firmwareVersion: "2025.02" };

async function verify(registers: string) {
  await writeFile(at("registers"), registers);
  return verifyEventLog(dir, { eventlog: at("log"), registers: at("registers"), ...options });
}

describe("hal verify --eventlog", () => {
  test("reads the output of tpm2_pcrread, also with unsupported banks and PCRs that no firmware extends", async () => {
    const line = (index: number, value: string) => `    ${String(index).padEnd(2)}: 0x${value.toUpperCase()}\n`;
    const known = [2, 3, 6].map((index) => line(index, values.get(`pcr${index}`) ?? "")).join("");
    const text = `  sha256:\n${known}${line(10, "ab".repeat(32))}${line(17, "ff".repeat(32))}  sha512:\n${line(2, "cd".repeat(64))}  sm3_256:\n${line(2, "ef".repeat(32))}`;
    const [first] = await verify(text);
    expect(first).toEqual({ what: "the log replays to all 5 reported values", ok: true });
  });

  test("names the register that differs from the replayed log", async () => {
    const findings = await verify(`# from a report\npcr2 sha256 ${values.get("pcr2")}\npcr3 sha256 ${"00".repeat(32)}\n`);
    expect(findings[0]).toMatchObject({ ok: false, what: expect.stringMatching(/^pcr3 in sha256: the log replays to/) });
  });

  test("names the first event of each register that differs from the prediction", async () => {
    const findings = await verifyEventLog(dir, { eventlog: at("log"), ...options });
    const wrong = findings.filter(({ ok }) => !ok).map(({ what }) => what.split(",")[0]);
    expect(wrong).toEqual([4, 5, 7, 9].map((index) => `event 1 of pcr${index}: the log ends`));
  });

  test("names the registers without a reported value", async () => {
    const findings = await verify(`pcr2 sha256 ${values.get("pcr2")}\n`);
    expect(findings).toContainEqual({
      what: "not proven, because no value is reported: pcr3, pcr4, pcr5, pcr6, pcr7, pcr9, pcr11",
      ok: true,
    });
  });

  test.each([
    ["no register", "# nothing\n"],
    ["only a register that is not predicted", `pcr10 sha256 ${"ab".repeat(32)}\n`],
    ["only a bank that hal does not support", `pcr4 sha512 ${"ab".repeat(64)}\n`],
  ])("refuses a file of registers with %s", async (_, text) => {
    await expect(verify(text)).rejects.toMatchObject({ kind: "input", at: { file: at("registers") } });
  });

  test.each([
    ["a line without a value", "pcr4 sha256\n"],
    ["a list without its bank", "  4 : 0x00\n"],
    ["a truncated value", `pcr23 sha256 ${"00".repeat(31)}\n`],
    ["a value of another bank", `  sha1:\n    4 : 0x${"00".repeat(32)}\n`],
    ["a PCR that no TPM has", `pcr24 sha256 ${"00".repeat(32)}\n`],
    ["an RTMR that no TD has", `rtmr4 sha384 ${"00".repeat(48)}\n`],
  ])("refuses %s", async (_, text) => {
    await expect(verify(text)).rejects.toMatchObject({
      kind: "input",
      at: { file: at("registers"), line: text.trimEnd().split("\n").length },
    });
  });

  test("names the file that cannot be read", async () => {
    const log = { eventlog: at("log"), ...options };
    await expect(verifyEventLog(dir, { ...log, eventlog: "/" })).rejects.toMatchObject({ kind: "input", at: { file: "/" } });
    await expect(verifyEventLog(dir, { ...log, registers: at("none") })).rejects.toMatchObject({ kind: "input", at: { file: at("none") } });
  });

  test("fails if no register can be compared", async () => {
    await writeFile(at("other"), buildEventLog(separators, ["sha512"]));
    await expect(verifyEventLog(dir, { eventlog: at("other"), ...options })).rejects.toThrow(
      "the log has digests in no bank that hal supports",
    );
  });
});
