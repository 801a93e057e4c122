import { resolve } from "node:path";
import { readLaunch } from "../bundle/documents.js";
import { readEventLog } from "../codecs/eventlog.js";
import { withoutTee } from "../launch/without-tee.js";
import { bankSizes, banks } from "../lib/banks.js";
import { HalError } from "../lib/errors.js";
import type { RegisterValue } from "../measure/events.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { type MeasureRequest, readNamed } from "../measure/request.js";
import { platforms } from "../model/platforms/index.js";
import { firstDivergences, predictedRegisters, registerMismatches } from "./eventlog-compare.js";
import type { Finding } from "./finding.js";

export interface EventLogOptions {
  /** The file with the event log. */
  readonly eventlog: string;
  /** A file with the register values that the machine reports. Without it only the events are compared with the prediction. */
  readonly registers?: string;
  /** The machine did not have the TEE of launch.json. */
  readonly withoutTee?: boolean;
  /** Settings of the launch that differ from launch.json. */
  readonly memory?: string;
  readonly qemuVersion?: string;
  readonly firmwareVersion?: string;
  readonly initrd?: string;
  readonly uki?: string;
}

/**
 * Replays a firmware event log (TCG2 binary_bios_measurements, or the CCEL of a TDX guest) and compares the result with the reported
 * registers. Then compares each event with the prediction and names the first one of each register that differs.
 * @throws HalError "input" when no register can be compared, or a file cannot be read or parsed
 */
export async function verifyEventLog(dir: string, options: EventLogOptions): Promise<Finding[]> {
  const { memory, qemuVersion, firmwareVersion, initrd, uki } = options;
  const described = await readLaunch(dir);
  const launch = options.withoutTee ? withoutTee(described) : described;
  const { name, eventLog } = platforms[launch.platform];
  if (eventLog === undefined)
    throw new HalError("input", `hal cannot read event logs of platform ${name}`, {
      remedy: "add --platform none for a log of a machine without a TEE",
    });
  const { kind, of } = eventLog;
  const request: MeasureRequest = {
    ...launchRequest(launch, resolve(dir), of),
    ...(memory === undefined ? {} : { memory }),
    ...(qemuVersion === undefined ? {} : { qemuVersion }),
    ...(firmwareVersion === undefined ? {} : { firmwareVersion }),
    ...(initrd === undefined ? {} : { initrds: [initrd] }),
    ...(uki === undefined ? {} : { uki }),
  };
  const log = readEventLog((await readNamed(options.eventlog)).bytes, options.eventlog, kind);
  const reported = options.registers === undefined ? undefined : parseRegisters(await readText(options.registers), options.registers);
  const prediction = await measure(request);
  const predicted = predictedRegisters(prediction);
  const mismatches = registerMismatches(log, reported ?? []).map(
    (what): Finding => ({ what, ok: false, expected: "equal values", found: "different values" }),
  );
  const divergences = firstDivergences(log, predicted).map(
    ({ what, predicted: expected, logged }): Finding => ({ what, ok: false, expected, found: logged }),
  );
  const matches: Finding[] =
    reported !== undefined && mismatches.length === 0
      ? [{ what: `the log replays to all ${reported.length} reported values`, ok: true }]
      : [];
  const compared = [...new Set(predicted.filter(({ bank }) => log.banks.includes(bank)).map(({ register }) => register))];
  if (compared.length === 0) {
    const banksOfLog = `the log has digests in ${log.banks.join(", ") || "no bank that hal supports"}`;
    const why = predicted.length > 0 ? banksOfLog : (prediction.notPredicted[0]?.why ?? banksOfLog);
    throw new HalError("input", `hal predicts no register of this log: ${why}`, { at: { file: options.eventlog } });
  }
  // A log alone proves nothing about a register without a reported value: anybody can write a log with the predicted events.
  const proven = reported === undefined ? compared : compared.filter((name) => reported.some(({ register }) => register === name));
  if (options.registers !== undefined && proven.length === 0)
    throw new HalError("input", `contains none of the predicted registers: ${compared.join(", ")}`, { at: { file: options.registers } });
  const unproven = compared.filter((name) => !proven.includes(name));
  const asPredicted: Finding[] =
    divergences.length === 0 ? [{ what: `every event of ${proven.join(", ")} is as predicted`, ok: true }] : [];
  const notReported: Finding[] =
    unproven.length === 0 ? [] : [{ what: `not proven, because no value is reported: ${unproven.join(", ")}`, ok: true }];
  return [...matches, ...mismatches, ...asPredicted, ...notReported, ...divergences];
}

async function readText(file: string): Promise<string> {
  return Buffer.from((await readNamed(file)).bytes).toString("utf8");
}

type ReportedValue = Pick<RegisterValue, "register" | "bank" | "value">;

/** The registers of a TPM or a TD. */
const REGISTER = /^(?:pcr(?:[0-9]|1[0-9]|2[0-3])|rtmr[0-3])$/;

/**
 * Parses lines `pcr4 sha256 HEX`, or the YAML that tpm2_pcrread prints (`sha256:` above lines `4 : 0xHEX`). Skips banks that hal does not
 * support.
 */
function parseRegisters(text: string, file: string): ReportedValue[] {
  const found: ReportedValue[] = [];
  let heading: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const at = { file, line: index + 1, column: 1 };
    const above = /^\s*((?:sha|sm)[0-9_]+)\s*:\s*$/.exec(line)?.[1];
    const listed = /^\s*([0-9]{1,2})\s*:\s*0x([0-9A-Fa-f]+)\s*$/.exec(line);
    const plain = /^\s*((?:pcr|rtmr)[0-9]{1,2})\s+((?:sha|sm)[0-9_]+)\s+([0-9A-Fa-f]+)\s*$/.exec(line);
    if (above !== undefined) heading = above;
    else if (listed !== null && heading !== undefined) found.push(...reportedValue(`pcr${listed[1]}`, heading, listed[2], at));
    else if (plain !== null) found.push(...reportedValue(plain[1], plain[2], plain[3], at));
    else if (line.trim() !== "" && !line.trim().startsWith("#")) {
      throw new HalError("input", "not a register value", {
        at,
        remedy: "write lines such as 'pcr4 sha256 HEX', or the output of tpm2_pcrread",
      });
    }
  }
  return found;
}

/** Returns nothing for a bank that hal does not support. */
function reportedValue(
  register = "",
  name = "",
  value = "",
  at: { readonly file: string; readonly line: number; readonly column: number },
): ReportedValue[] {
  const bank = banks.find((known) => known === name);
  if (bank === undefined) return [];
  if (REGISTER.test(register) && value.length === 2 * bankSizes[bank]) return [{ register, bank, value: value.toLowerCase() }];
  throw new HalError("input", `${register} in ${bank}: not a register with a value of ${bankSizes[bank]} bytes`, { at });
}
