import { resolve } from "node:path";
import { readEventLog } from "../codecs/eventlog.js";
import { readJudgedLaunch } from "../launch/judge.js";
import { withoutTee } from "../launch/without-tee.js";
import { HalError } from "../lib/errors.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { type MeasureRequest, readNamed } from "../measure/request.js";
import { platforms } from "../model/platforms/index.js";
import { firstDivergences, predictedRegisters, registerMismatches } from "./eventlog-compare.js";
import type { Finding } from "./finding.js";
import { readRegisters } from "./registers.js";

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

/** Bytes; the kernel keeps 64 KiB, and a log of IMA is not one of the firmware. */
const MOST_LOG_BYTES = 16 * 1024 * 1024;

/**
 * Replays a firmware event log (TCG2 binary_bios_measurements, or the CCEL of a TDX guest) and compares the result with the reported
 * registers. Then compares each event with the prediction and names the first one of each register that differs.
 * @throws HalError "input" when no register can be compared, or a file cannot be read or parsed
 */
export async function verifyEventLog(dir: string, options: EventLogOptions): Promise<Finding[]> {
  const { memory, qemuVersion, firmwareVersion, initrd, uki } = options;
  const described = await readJudgedLaunch(dir);
  const started = options.withoutTee ? withoutTee(described) : described;
  // The caller's initrd replaces that of the image, which can be missing.
  const launch =
    initrd === undefined || started.initrd === undefined ? started : { ...started, initrd: { ...started.initrd, path: resolve(initrd) } };
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
  const log = readEventLog((await readNamed(options.eventlog, MOST_LOG_BYTES)).bytes, options.eventlog, kind);
  const reported = options.registers === undefined ? undefined : await readRegisters(options.registers);
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
