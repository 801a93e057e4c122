import { resolve } from "node:path";
import { readLaunch } from "../bundle/documents.js";
import { readEventLog } from "../codecs/eventlog.js";
import { withoutTee } from "../launch/without-tee.js";
import { type Bank, bankSizes, banks } from "../lib/banks.js";
import { HalError } from "../lib/errors.js";
import type { RegisterValue } from "../measure/events.js";
import { launchRequest } from "../measure/from-bundle.js";
import { measure } from "../measure/measure.js";
import { type MeasureRequest, readNamed } from "../measure/request.js";
import { platforms } from "../model/platforms/index.js";
import { divergences, unexplained } from "./eventlog-compare.js";
import type { Finding } from "./finding.js";

export interface EventLogOptions {
  readonly eventlog: string;
  /** A file with the registers' values as the machine reports them; without it only the log itself is judged. */
  readonly registers?: string;
  /** The machine was an ordinary one, without the TEE of launch.json. */
  readonly withoutTee?: boolean;
  /** What of the launch was different from launch.json. */
  readonly memory?: string;
  readonly qemuVersion?: string;
  readonly firmwareVersion?: string;
  readonly initrd?: string;
  readonly uki?: string;
}

/**
 * Replays a firmware event log (TCG2 binary_bios_measurements, or a TDX guest's CCEL), checks that it yields the
 * reported registers, and names the first event of each register that is not the predicted one.
 */
export async function verifyEventLog(dir: string, options: EventLogOptions): Promise<Finding[]> {
  const { memory, qemuVersion, firmwareVersion, initrd, uki } = options;
  const described = await readLaunch(dir);
  const launch = options.withoutTee ? withoutTee(described) : described;
  const { name, eventLog } = platforms[launch.platform];
  if (eventLog === undefined)
    throw new HalError("input", `platform ${name} has no event log that hal reads`, {
      remedy: "add --platform none for the log of an ordinary virtual machine",
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
  const given = options.registers === undefined ? undefined : parseRegisters(await readText(options.registers), options.registers);
  const { values, notPredicted } = await measure(request);
  const predicted = values.map(
    ({ register, bank, value, steps }): RegisterValue => ({ register, bank: bank as Bank, value, steps: steps() }),
  );
  const broken = unexplained(log, given ?? []).map(
    (what): Finding => ({ what, ok: false, expected: "the log explains the register", found: "it does not" }),
  );
  const apart = divergences(log, predicted).map(
    ({ what, predicted: expected, logged }): Finding => ({ what, ok: false, expected, found: logged }),
  );
  const explained: Finding[] =
    given !== undefined && broken.length === 0 ? [{ what: `the log yields all ${given.length} reported values`, ok: true }] : [];
  const compared = [...new Set(predicted.filter(({ bank }) => log.banks.includes(bank)).map(({ register }) => register))];
  if (compared.length === 0) {
    const digests = `the log has digests in ${log.banks.join(", ") || "no bank that hal knows"}`;
    const why = predicted.length > 0 ? digests : (notPredicted[0]?.why ?? digests);
    throw new HalError("input", `no register of the log is predicted: ${why}`, { at: { file: options.eventlog } });
  }
  // Of a register that nobody reports, the log proves nothing: whoever writes it can write what is expected.
  const reported = given === undefined ? compared : compared.filter((name) => given.some(({ register }) => register === name));
  if (options.registers !== undefined && reported.length === 0)
    throw new HalError("input", `has none of the registers that are predicted: ${compared.join(", ")}`, {
      at: { file: options.registers },
    });
  const alone = compared.filter((name) => !reported.includes(name));
  const same: Finding[] = apart.length === 0 ? [{ what: `every event of ${reported.join(", ")} is as predicted`, ok: true }] : [];
  const unproven: Finding[] =
    alone.length === 0 ? [] : [{ what: `not proven, because no value is reported: ${alone.join(", ")}`, ok: true }];
  return [...explained, ...broken, ...same, ...unproven, ...apart];
}

async function readText(file: string): Promise<string> {
  return Buffer.from((await readNamed(file)).bytes).toString("utf8");
}

type Reported = Pick<RegisterValue, "register" | "bank" | "value">;

/** What a TPM or a TD has. */
const possible = /^(?:pcr(?:[0-9]|1[0-9]|2[0-3])|rtmr[0-3])$/;

/** `pcr4 sha256 HEX` a line, or the YAML that tpm2_pcrread prints (`sha256:` above `4 : 0xHEX`). Banks that hal does not know are left out. */
function parseRegisters(text: string, file: string): Reported[] {
  const found: Reported[] = [];
  let heading: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const at = { file, line: index + 1, column: 1 };
    const above = /^\s*((?:sha|sm)[0-9_]+)\s*:\s*$/.exec(line)?.[1];
    const listed = /^\s*([0-9]{1,2})\s*:\s*0x([0-9A-Fa-f]+)\s*$/.exec(line);
    const plain = /^\s*((?:pcr|rtmr)[0-9]{1,2})\s+((?:sha|sm)[0-9_]+)\s+([0-9A-Fa-f]+)\s*$/.exec(line);
    if (above !== undefined) heading = above;
    else if (listed !== null && heading !== undefined) found.push(...reported(`pcr${listed[1]}`, heading, listed[2], at));
    else if (plain !== null) found.push(...reported(plain[1], plain[2], plain[3], at));
    else if (line.trim() !== "" && !line.trim().startsWith("#")) {
      throw new HalError("input", "not a register", { at, remedy: "lines like 'pcr4 sha256 HEX', or what tpm2_pcrread prints" });
    }
  }
  return found;
}

/** None for a bank that hal does not know. */
function reported(
  register = "",
  name = "",
  value = "",
  at: { readonly file: string; readonly line: number; readonly column: number },
): Reported[] {
  const bank = banks.find((known) => known === name);
  if (bank === undefined) return [];
  if (possible.test(register) && value.length === 2 * bankSizes[bank]) return [{ register, bank, value: value.toLowerCase() }];
  throw new HalError("input", `${register} in ${bank}: not a register with a value of ${bankSizes[bank]} bytes`, { at });
}
