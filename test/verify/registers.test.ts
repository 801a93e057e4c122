import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalJson } from "../../src/lib/digest.js";
import type { Measurements } from "../../src/model/generated.js";
import { verifyRegisters } from "../../src/verify/registers.js";

const [four, nine] = ["4".repeat(64), "9".repeat(64)];
let dir = "";
const registers = async (text: string) => {
  await writeFile(join(dir, "registers"), text);
  return verifyRegisters(dir, join(dir, "registers"));
};
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-registers-"));
  const value = (register: string, hex: string): Measurements["values"][number] => ({
    platform: "vtpm",
    register,
    bank: "sha256",
    value: hex,
    holdsFor: {},
    from: [],
  });
  const measurements = { schema: "hal.measurements/v1", values: [value("pcr4", four), value("pcr9", nine)], expect: [], notPredicted: [] };
  await writeFile(join(dir, "measurements.json"), canonicalJson(measurements));
});
afterAll(() => rm(dir, { recursive: true }));

test("reported registers without an event log are compared with measurements.json", async () => {
  expect(await registers(`pcr4 sha256 ${four}\npcr9 sha256 ${nine}\npcr10 sha256 ${four}\n`)).toEqual([
    { what: "reported pcr4 sha256", ok: true, expected: four, found: four },
    { what: "reported pcr9 sha256", ok: true, expected: nine, found: nine },
  ]);
  expect(await registers(`  sha256:\n    4 : 0x${nine}\n`)).toEqual([
    { what: "reported pcr4 sha256", ok: false, expected: four, found: nine },
    { what: "not proven, because no value is reported: pcr9", ok: true },
  ]);
});

test("a file without a predicted register is refused", async () => {
  await expect(registers(`pcr10 sha256 ${four}\n`)).rejects.toMatchObject({
    kind: "input",
    message: expect.stringContaining("pcr4, pcr9"),
  });
});
