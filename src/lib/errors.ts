/** The exit code of each kind of error (DESIGN 5). */
export const exitCodes = {
  /** a bug in hal */
  bug: 1,
  /** the user's input is wrong */
  input: 2,
  /** a host tool is missing */
  tool: 3,
  /** an external command failed */
  command: 4,
  /** a check failed: verify, test, gate */
  check: 5,
  /** interrupted by the user */
  interrupted: 130,
} as const;

export type ErrorKind = keyof typeof exitCodes;

/** A place in a text file (line and column, counted from 1) or in a binary file (byte offset). */
export interface Location {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  readonly offset?: number;
}

export interface HalErrorOptions {
  readonly at?: Location;
  /** What the user can do, one sentence. */
  readonly remedy?: string;
  /** Further lines, such as the last output of an external command. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
}

/** An error that hal reports to the user. `main.ts` prints it and exits with the code of its kind; any other error is a bug. */
export class HalError extends Error {
  readonly kind: ErrorKind;
  readonly at: Location | undefined;
  readonly remedy: string | undefined;
  readonly details: readonly string[];

  constructor(kind: ErrorKind, message: string, options: HalErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "HalError";
    this.kind = kind;
    this.at = options.at;
    this.remedy = options.remedy;
    this.details = options.details ?? [];
  }
}

/** `file:line:col`, or `file: offset 0x10` for a binary file. */
export function formatLocation(at: Location): string {
  if (at.offset !== undefined) return `${at.file}: offset 0x${at.offset.toString(16)}`;
  if (at.line === undefined) return at.file;
  return `${at.file}:${at.line}:${at.column ?? 1}`;
}

/** The error as text: place, message, remedy, details. No part of it can control the terminal or start a line of its own. */
export function formatError(error: HalError): string {
  const where = error.at ? `${formatLocation(error.at)}: ` : "";
  const remedy = error.remedy ? `\n  ${printableLine(error.remedy)}` : "";
  const details = error.details.map((line) => `\n  | ${printableLine(line)}`).join("");
  return `${printableLine(`${where}${error.message}`)}${remedy}${details}`;
}

/**
 * Control characters, without newline and tab, and the characters that change the order or the lines of a text on a terminal: bidirectional
 * formatting (Unicode Standard Annex #9, section 2), line and paragraph separator.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the characters to escape
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  const code = character.charCodeAt(0).toString(16);
  return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
}

/** Text of several lines for a terminal: hostile input must neither control the terminal nor reorder a line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** JSON for a terminal: the same value. JSON.stringify escapes no control character after ASCII and none that reorders a line. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Text for one line of a terminal, such as a file name. Newlines are escaped too: a name must not look like a message of hal. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n");
}
