import { join } from "node:path";
import { readLaunch } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { canonicalJson } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { judgeCommandLine } from "../model/judge-cmdline.js";
import { composeLaunch, factsOf, type LaunchFacts } from "./compose.js";
import { settingsRefusal } from "./settings.js";

/** Why a launch.json is not one that hal writes. */
export interface LaunchFault {
  /** The key in launch.json, such as `tee.policy`. */
  readonly key: string;
  readonly message: string;
  readonly remedy?: string;
}

/**
 * Judges a launch.json that somebody else may have written, as the build judges a profile. Two questions:
 * - Does the build refuse the settings, such as a guest policy with debugging?
 * - Does everything else follow from the settings? hal describes the launch again from its facts; machine, devices, TEE object, command
 *   and measurements must be the same. A field that the facts do not contain, such as an ID block, therefore cannot be in the file.
 * @param launch matches its schema
 * @returns every reason to refuse it; nothing for a launch.json that hal wrote
 */
export function judgeLaunch(launch: Launch): readonly LaunchFault[] {
  const facts = factsOf(launch);
  const refusal = settingsRefusal({
    platform: facts.platform,
    debug: facts.debug,
    uki: facts.uki,
    settings: { ...facts.settings, ...firmwareSettings(facts) },
  });
  const refused: LaunchFault[] =
    refusal === undefined
      ? []
      : [
          {
            key: launchKeys[refusal.pointer] ?? refusal.pointer.replace(/^\/(launch\/)?/, ""),
            message: refusal.message,
            ...(refusal.remedy === undefined ? {} : { remedy: refusal.remedy }),
          },
        ];
  return [...refused, ...differences(launch, facts)];
}

/**
 * Words of the command line that undo a promise of the image. `hal verify` has a stricter reading: it knows the artifacts, and also
 * reports words that hal does not know.
 */
function commandLineFaults({ cmdline, platform, debug }: Launch): LaunchFault[] {
  const verity = cmdline.includes("roothash=");
  return judgeCommandLine(cmdline, { verity, platform, debug })
    .filter(({ verdict }) => verdict === "undoes")
    .map(({ word, why, remedy }) => ({ key: "cmdline", message: `'${word}' ${why}`, remedy }));
}

/**
 * Refuses a launch.json that `judgeLaunch` finds fault with, or whose command line undoes a promise of the image, before anything starts
 * from it or is signed.
 * @param file the path of launch.json
 * @throws HalError "check" with the first fault
 */
export function refuseFaultyLaunch(launch: Launch, file: string): void {
  const [fault, ...more] = [...judgeLaunch(launch), ...commandLineFaults(launch)];
  if (fault === undefined) return;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  throw new HalError("check", `${fault.key}: ${fault.message}${others}`, {
    at: { file },
    remedy: fault.remedy ?? "run hal verify to list every fault, and build the image again",
  });
}

/**
 * Reads launch.json of an image directory that somebody else may have made.
 * @throws HalError "input" when it is missing or does not match its schema, "check" when hal would not have written it
 */
export async function readJudgedLaunch(dir: string): Promise<Launch> {
  const launch = await readLaunch(dir);
  refuseFaultyLaunch(launch, join(dir, files.launch));
  return launch;
}

/** Keys of launch.json whose names differ from those of a profile. */
const launchKeys: Readonly<Record<string, string>> = {
  "/launch/policy": "tee.policy",
  "/launch/hostData": "tee.hostData",
  "/launch/quoteGenerationSocket": "tee.quoteGenerationSocket",
  "/launch/igvm": "firmware",
  "/launch/forwards": "net.forwards",
  "/launch/cpus": "cpu.count",
  "/launch/maxCpus": "cpu.max",
  "/launch/maxMemory": "memory.max",
};

function firmwareSettings({ firmware }: LaunchFacts) {
  if (firmware === undefined) return {};
  if (firmware.igvm) return { igvm: files.igvm };
  return { firmware: { path: files.firmware, ...(firmware.vars === undefined ? {} : { vars: files.firmwareVars }) } };
}

function differences(launch: Launch, facts: LaunchFacts): LaunchFault[] {
  let composed: Launch;
  try {
    composed = composeLaunch(facts);
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    return [{ key: "files", message: error.message, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) }];
  }
  return differ("", launch, composed);
}

type Json = Readonly<Record<string, unknown>>;

/** The keys whose values differ, down to the first level below the top. */
function differ(prefix: string, found: object, expected: object): LaunchFault[] {
  const [left, right] = [found as Json, expected as Json];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].sort().flatMap((key): LaunchFault[] => {
    const [has, wants] = [left[key], right[key]];
    if (same(has, wants)) return [];
    if (prefix === "" && isMap(has) && isMap(wants)) return differ(`${key}.`, has, wants);
    const short = (value: unknown): string => {
      const text = value === undefined ? "nothing" : JSON.stringify(value);
      return text.length > 80 ? `${text.slice(0, 79)}…` : text;
    };
    return [{ key: `${prefix}${key}`, message: `is ${short(has)}, and the rest of the file gives ${short(wants)}` }];
  });
}

const isMap = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

function same(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}
