import { readMeasurements } from "../bundle/documents.js";
import { bankSizes, banks } from "../lib/banks.js";
import { HalError } from "../lib/errors.js";
import type { RegisterValue } from "../measure/events.js";
import { readNamed } from "../measure/request.js";
import type { Finding } from "./finding.js";

/** Bytes; far more than all registers of a machine have. */
const MOST_REGISTER_BYTES = 1024 * 1024;

/**
 * Compares register values that a machine reports with measurements.json of an image directory. It leaves out registers that hal does not
 * predict.
 * @param file lines as in `parseRegisters`
 * @throws HalError "input" when no register can be compared, or the file cannot be read or parsed
 */
export async function verifyRegisters(dir: string, file: string): Promise<Finding[]> {
  const reported = await readRegisters(file);
  const { values } = await readMeasurements(dir);
  const findings = reported.flatMap(({ register, bank, value: found }): Finding[] => {
    const expected = values.filter((value) => value.register === register && value.bank === bank).map(({ value }) => value);
    if (expected.length === 0) return [];
    return [{ what: `reported ${register} ${bank}`, ok: expected.includes(found), expected: expected.join(" or "), found }];
  });
  const predicted = [...new Set(values.filter(({ register }) => REGISTER.test(register)).map(({ register }) => register))];
  if (findings.length === 0)
    throw new HalError("input", `contains none of the predicted registers: ${predicted.join(", ") || "hal predicts none of this image"}`, {
      at: { file },
      remedy: "give the registers of the machine that started this image",
    });
  const missing = predicted.filter((name) => !reported.some(({ register }) => register === name));
  if (missing.length === 0) return findings;
  return [...findings, { what: `not proven, because no value is reported: ${missing.join(", ")}`, ok: true }];
}

/** Reads a file of register values. @throws HalError "input" when it cannot be read or parsed */
export async function readRegisters(file: string): Promise<ReportedValue[]> {
  return parseRegisters(Buffer.from((await readNamed(file, MOST_REGISTER_BYTES)).bytes).toString("utf8"), file);
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
