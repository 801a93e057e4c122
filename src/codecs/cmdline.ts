import { HalError } from "../lib/errors.js";

/**
 * The bytes of a kernel command line. Throws a kind "input" error for a text that contains a NUL, which would end it, or that is not UTF-8.
 * Node.js replaces bytes of an argument that are not UTF-8 by U+FFFD.
 */
export function cmdlineBytes(cmdline: string): Buffer {
  if (cmdline.includes("\0")) throw new HalError("input", "command line: it contains a NUL, which would end it");
  if (/\ufffd|\p{Surrogate}/u.test(cmdline)) throw new HalError("input", "command line: it is not UTF-8");
  return Buffer.from(cmdline, "utf8");
}

/** The bytes of a kernel command line with the NUL that QEMU appends. */
export function cmdlineBytesWithNul(cmdline: string): Buffer {
  return Buffer.concat([cmdlineBytes(cmdline), Buffer.alloc(1)]);
}

/** The most bytes of a command line that Linux reads: COMMAND_LINE_SIZE (arch/x86/include/asm/setup.h) without its NUL. */
export const MAX_CMDLINE_BYTES = 2047;

/** One word of a kernel command line, as Linux reads it. */
export interface CmdlineWord {
  /** The whole word, with its quotes. */
  readonly text: string;
  readonly name: string;
  /** Undefined for a word without `=`. */
  readonly value: string | undefined;
  /** Whether the word comes after `--`: Linux gives it to init. systemd reads it like the words before. */
  readonly afterDashes: boolean;
}

/** White space of Linux (lib/ctype.c), which also contains the byte 0xa0. */
const SPACE = "\\t\\n\\v\\f\\r \\xa0";
/** A word ends at white space outside of double quotes. A quote may be anywhere, and its end may be missing. */
const WORD = new RegExp(`(?:[^${SPACE}"]|"[^"]*(?:"|$))+`, "g");

/**
 * Splits a command line into words, in its order, as Linux does (kernel/params.c, parse_args; lib/cmdline.c, next_arg). The word `--` is
 * one of them.
 */
export function cmdlineWords(cmdline: string): CmdlineWord[] {
  // Linux reads bytes, and one character of UTF-8 can contain the byte 0xa0.
  const words = (Buffer.from(cmdline, "utf8").toString("latin1").match(WORD) ?? []).map(splitWord);
  const dashes = words.findIndex(({ name, value }) => name === "--" && value === undefined);
  return words.map((word, index) => ({ ...word, afterDashes: dashes >= 0 && index > dashes }));
}

/** Removes a quote before the name, a quote before the value, and one quote at the end, as next_arg does. */
function splitWord(word: string): Omit<CmdlineWord, "afterDashes"> {
  const utf8 = (text: string): string => Buffer.from(text, "latin1").toString("utf8");
  const withoutEnd = (text: string): string => text.replace(/"$/, "");
  const quoted = word.startsWith('"');
  const bare = quoted ? word.slice(1) : word;
  const equals = bare.indexOf("=", 1); // a `=` at the start belongs to the name
  if (equals < 0) return { text: utf8(word), name: utf8(quoted ? withoutEnd(bare) : bare), value: undefined };
  const value = bare.slice(equals + 1);
  const unquoted = value.startsWith('"') ? withoutEnd(value.slice(1)) : quoted ? withoutEnd(value) : value;
  return { text: utf8(word), name: utf8(bare.slice(0, equals)), value: utf8(unquoted) };
}

/** The values of a kernel parameter, in the order of the command line. Words after `--` are no parameters. */
export function parameterValues(cmdline: string, name: string): string[] {
  return cmdlineWords(cmdline).flatMap((word) => (word.name === name && word.value !== undefined && !word.afterDashes ? [word.value] : []));
}

/**
 * The root hash of a command line: 64 lower-case hex digits. Early boot (templates/board/hal/init.verity.hbs) reads it in the same way.
 * @returns undefined unless the text `roothash=` occurs exactly once, at the start of a word before `--`, so that no other reader can find
 * another hash
 */
export function rootHashOf(cmdline: string): string | undefined {
  const [value] = parameterValues(cmdline, "roothash");
  const isWord = cmdlineWords(cmdline).some(({ text, afterDashes }) => text === `roothash=${value}` && !afterDashes);
  const occurrences = cmdline.split("roothash=").length - 1;
  return occurrences === 1 && isWord && /^[0-9a-f]{64}$/.test(value ?? "") ? value : undefined;
}

/** Adds a kernel parameter at the end, before the arguments of init. */
export function addParameter(cmdline: string, parameter: string): string {
  const [kernel = "", ...init] = cmdline.split(/ -- /);
  return [`${kernel.trim()} ${parameter}`.trim(), ...init].join(" -- ");
}
