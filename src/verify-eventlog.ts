import { readFile } from "node:fs/promises";
import { HalError } from "./errors.js";
import type { Bank } from "./measure/banks.js";
import type { RegisterValue } from "./measure/boot-events.js";
import { type EventLogKind, readEventLog } from "./measure/eventlog.js";
import { divergences, unexplained } from "./measure/eventlog-compare.js";
import { type MeasureRequest, measure } from "./measure/measure.js";
import { requestOf } from "./measure-output.js";
import type { Finding } from "./verify.js";

export interface EventLogOptions {
  readonly eventlog: string;
  /** A file with the registers' values as the machine reports them; without it only the log itself is judged. */
  readonly registers?: string;
  /** What of the launch is different from launch.json. */
  readonly memory?: string;
  readonly qemuVersion?: string;
  readonly firmwareVersion?: string;
}

/**
 * Replays a firmware event log (TCG2 binary_bios_measurements, or a TDX guest's CCEL), checks that it yields the
 * reported registers, and names the first event of each register that is not the predicted one.
 */
export async function verifyEventLog(dir: string, options: EventLogOptions): Promise<Finding[]> {
  const { memory, qemuVersion, firmwareVersion } = options;
  const own = await requestOf(dir);
  const tdx = own.platforms.includes("tdx");
  const kind: EventLogKind = tdx ? "ccel" : "tpm";
  const request: MeasureRequest = {
    ...own,
    platforms: [tdx ? "tdx" : "vtpm"],
    ...(memory === undefined ? {} : { memory }),
    ...(qemuVersion === undefined ? {} : { qemuVersion }),
    ...(firmwareVersion === undefined ? {} : { firmwareVersion }),
  };
  const log = readEventLog(new Uint8Array(await readFile(options.eventlog)), options.eventlog, kind);
  const given = options.registers === undefined ? [] : parseRegisters(await readFile(options.registers, "utf8"), options.registers);
  const { values } = await measure(request);
  const predicted = values.map(
    ({ register, bank, value, steps }): RegisterValue => ({ register, bank: bank as Bank, value, steps: steps() }),
  );
  const broken = unexplained(log, given).map(
    (what): Finding => ({ what, ok: false, expected: "the log explains the register", found: "it does not" }),
  );
  const apart = divergences(log, predicted).map(
    ({ what }): Finding => ({ what, ok: false, expected: "the predicted event", found: "another" }),
  );
  const explained: Finding[] =
    given.length > 0 && broken.length === 0 ? [{ what: `the log yields all ${given.length} reported values`, ok: true }] : [];
  const same: Finding[] = apart.length === 0 ? [{ what: "every event is as predicted", ok: true }] : [];
  return [...explained, ...broken, ...same, ...apart];
}

/** `pcr4 sha256 HEX` a line, or the YAML that tpm2_pcrread prints (`sha256:` above `4 : 0xHEX`). */
function parseRegisters(text: string, file: string): Pick<RegisterValue, "register" | "bank" | "value">[] {
  const found: Pick<RegisterValue, "register" | "bank" | "value">[] = [];
  let heading: Bank | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const bank = /^\s*(sha1|sha256|sha384)\s*:\s*$/.exec(line)?.[1];
    const listed = /^\s*([0-9]{1,2})\s*:\s*0x([0-9A-Fa-f]+)\s*$/.exec(line);
    const plain = /^\s*((?:pcr|rtmr)[0-9]{1,2})\s+(sha1|sha256|sha384)\s+([0-9A-Fa-f]+)\s*$/.exec(line);
    if (bank !== undefined) heading = bank as Bank;
    else if (listed !== null && heading !== undefined)
      found.push({ register: `pcr${listed[1]}`, bank: heading, value: (listed[2] ?? "").toLowerCase() });
    else if (plain !== null) found.push({ register: plain[1] ?? "", bank: plain[2] as Bank, value: (plain[3] ?? "").toLowerCase() });
    else if (line.trim() !== "" && !line.trim().startsWith("#")) {
      throw new HalError("input", "not a register", {
        at: { file, line: index + 1, column: 1 },
        remedy: "lines like 'pcr4 sha256 HEX', or what tpm2_pcrread prints",
      });
    }
  }
  return found;
}
