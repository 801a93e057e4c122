import { type CmdlineWord, cmdlineWords, MAX_CMDLINE_BYTES } from "../codecs/cmdline.js";
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
  /** What the user can do, as a command. */
  readonly remedy: string;
}

/** Characters that other readers of a command line treat differently: systemd quotes with them, or a shell expands them. */
const AMBIGUOUS = /[^ -~]|['\\$`]/;

/**
 * Judges the complete command line of an image, with `roothash=`. It returns the words that the image must not have; an empty list means
 * that the command line keeps every promise. The parameters are those of `parameterRows`, and the words are those of `cmdlineWords`.
 */
export function judgeCommandLine(cmdline: string, image: JudgedImage): readonly ParameterFinding[] {
  const words = cmdlineWords(cmdline);
  const isRootHash = (word: CmdlineWord): boolean => image.verity && /^roothash=[0-9a-f]{64}$/.test(word.text) && !word.afterDashes;
  return [
    ...judgeText(cmdline, words.filter(isRootHash).length, image),
    ...words.filter((word) => !isRootHash(word)).flatMap((word) => judgeWord(word, image)),
  ];
}

/** Judges parameters of a profile or a layout, without `roothash=`, which hal adds. */
export function judgeParameters(text: string, image: JudgedImage): readonly ParameterFinding[] {
  return [...judgeCharacters(text), ...cmdlineWords(text).flatMap((word) => judgeWord(word, image))];
}

function judgeText(cmdline: string, rootHashes: number, { verity }: JudgedImage): ParameterFinding[] {
  const undoes = (why: string, remedy: string): ParameterFinding => ({ word: cmdline, verdict: "undoes", why, remedy });
  const bytes = Buffer.byteLength(cmdline);
  const occurrences = cmdline.split("roothash=").length - 1;
  return [
    ...judgeCharacters(cmdline),
    ...(bytes > MAX_CMDLINE_BYTES ? [undoes(`has ${bytes} bytes, and Linux reads only ${MAX_CMDLINE_BYTES}`, "remove parameters")] : []),
    // The text may occur once only, so that no reader can find another hash.
    ...(verity && (rootHashes !== 1 || occurrences !== 1)
      ? [undoes("must contain roothash= exactly once, with 64 lower-case hex digits", "build the image again")]
      : []),
  ];
}

function judgeCharacters(text: string): ParameterFinding[] {
  if (!AMBIGUOUS.test(text)) return [];
  return [
    {
      word: text,
      verdict: "undoes",
      why: "contains a character that some launchers do not pass on safely, or that not all programs read alike",
      remedy: "use printable ASCII without single quotes, backslashes, dollar signs and backticks",
    },
  ];
}

/** Linux and systemd read quotes inside of a name differently, so both readings are judged. A word with a quote is never known. */
function judgeWord(word: CmdlineWord, image: JudgedImage): ParameterFinding[] {
  const [plain = "", ...rest] = word.text.replaceAll('"', "").split("=");
  const readings = [word, { name: plain, value: rest.length === 0 ? undefined : rest.join("=") }];
  const findings = readings.flatMap((reading) => judgeReading(word.text, reading, image));
  const found = findings.find(({ verdict }) => verdict === "undoes") ?? findings[0];
  if (found !== undefined) return [found];
  return word.text.includes('"') ? [unknown(word.text)] : [];
}

function judgeReading(
  word: string,
  { name, value = "" }: Pick<CmdlineWord, "name" | "value">,
  { platform, debug }: JudgedImage,
): ParameterFinding[] {
  const row = rowOf(name);
  if (row === undefined) return [unknown(word)];
  const enclave = platforms[platform].starts === "enclave";
  if (row.fine?.test(value) && (row.enclave === undefined || enclave)) return [];
  if (row.debug && debug) return [];
  if (row.undoes === undefined) return [unknown(word)];
  return [{ word, verdict: "undoes", why: row.undoes, remedy: row.debug ? "set debug: true, for development only" : "remove it" }];
}

const unknown = (word: string): ParameterFinding => ({
  word,
  verdict: "unknown",
  why: "is not a kernel parameter that hal knows to keep every promise",
  remedy: "remove it",
});

const exactRows = new Map(parameterRows.flatMap((row) => row.names.map((name) => [name, row] as const)));
const prefixRows = [...exactRows].filter(([name]) => name.endsWith("*")).map(([name, row]) => [name.slice(0, -1), row] as const);

/** The row of a parameter. A row with the exact name has priority over one with `*`. */
function rowOf(name: string): ParameterRow | undefined {
  const normalized = name.replaceAll("-", "_");
  return exactRows.get(normalized) ?? prefixRows.find(([prefix]) => normalized.startsWith(prefix))?.[1];
}
