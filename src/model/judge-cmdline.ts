import { type CmdlineWord, cmdlineWords, MAX_CMDLINE_BYTES, rootHashOf } from "../codecs/cmdline.js";
import { type ParameterRow, parameterRows } from "./kernel-parameters.js";
import { platforms } from "./platforms/index.js";
import type { PlatformName } from "./platforms/platform.js";

/** The facts about an image that decide which kernel parameters it may have. */
export interface JudgedImage {
  /** Whether the root has dm-verity. Otherwise the root is in RAM. */
  readonly verity: boolean;
  readonly platform: PlatformName;
  readonly debug: boolean;
}

/** A word of a command line that an image must not have. */
export interface ParameterFinding {
  /** The word, or the whole command line. */
  readonly word: string;
  /** `undoes`: it undoes a promise of the image. `unknown`: hal does not know what it does. */
  readonly verdict: "undoes" | "unknown";
  /** The end of a sentence that begins with the word. */
  readonly why: string;
  /** What the user can do, in the imperative. */
  readonly remedy: string;
}

/**
 * Characters that readers of a command line treat differently: Linux, systemd and shells quote with different ones, and Linux takes the
 * byte 0xa0 as white space. A profile cannot write white space, so it needs no quote.
 */
const AMBIGUOUS = /[^ -~]|["'\\$`]/;

/**
 * Judges the complete command line of an image, with `roothash=`. It returns the words that the image must not have; an empty list means
 * that the command line keeps every promise. The parameters are those of `parameterRows`, and the words are those of `cmdlineWords`.
 */
export function judgeCommandLine(cmdline: string, image: JudgedImage): readonly ParameterFinding[] {
  const undoes = (why: string, remedy: string): ParameterFinding => ({ word: cmdline, verdict: "undoes", why, remedy });
  const bytes = Buffer.byteLength(cmdline);
  const rootHash = image.verity ? rootHashOf(cmdline) : undefined;
  const others = cmdlineWords(cmdline).filter(({ text }) => rootHash === undefined || text !== `roothash=${rootHash}`);
  return [
    ...judgeCharacters(cmdline),
    ...(bytes > MAX_CMDLINE_BYTES ? [undoes(`has ${bytes} bytes, and Linux reads only ${MAX_CMDLINE_BYTES}`, "remove parameters")] : []),
    ...(image.verity && rootHash === undefined
      ? [undoes("does not contain roothash= exactly once, with 64 lower-case hex digits", "build the image again")]
      : []),
    ...others.flatMap((word) => judgeWord(word, image)),
  ];
}

/** Judges a parameter of a profile or a layout. It must not be `roothash=`, which hal adds. */
export function judgeParameter(parameter: string, image: JudgedImage): ParameterFinding | undefined {
  return [...judgeCharacters(parameter), ...cmdlineWords(parameter).flatMap((word) => judgeWord(word, image))][0];
}

function judgeCharacters(text: string): ParameterFinding[] {
  if (!AMBIGUOUS.test(text)) return [];
  return [
    {
      word: text,
      verdict: "undoes",
      why: "contains a character that some launchers do not pass on safely, or that programs read differently",
      remedy: "use printable ASCII without quotes, backslashes, dollar signs and backticks",
    },
  ];
}

function judgeWord({ text: word, name, value = "" }: CmdlineWord, { platform, debug }: JudgedImage): ParameterFinding[] {
  const row = rowOf(name);
  const applies = row?.enclave === undefined || platforms[platform].starts === "enclave";
  if (row !== undefined && ((applies && row.fine?.test(value)) || (row.debug && debug))) return [];
  if (row?.undoes === undefined)
    return [{ word, verdict: "unknown", why: "is not known to keep the promises of the image", remedy: "remove it" }];
  return [{ word, verdict: "undoes", why: row.undoes, remedy: row.debug ? "set debug: true, for development only" : "remove it" }];
}

const exactRows = new Map(parameterRows.flatMap((row) => row.names.map((name) => [name, row] as const)));
const prefixRows = [...exactRows].filter(([name]) => name.endsWith("*")).map(([name, row]) => [name.slice(0, -1), row] as const);

/** The row of a parameter. A row with the exact name has priority over one with `*`. */
function rowOf(name: string): ParameterRow | undefined {
  const normalized = name.replaceAll("-", "_");
  return exactRows.get(normalized) ?? prefixRows.find(([prefix]) => normalized.startsWith(prefix))?.[1];
}
