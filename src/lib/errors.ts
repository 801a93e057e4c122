/** What went wrong, as the exit code tells it (DESIGN: exit codes are part of the interface). */
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

/** A place in a text file (line and column count from 1) or in a binary file (byte offset). */
export interface Location {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  readonly offset?: number;
}

export interface HalErrorOptions {
  readonly at?: Location;
  /** What the user can do about it, one sentence. */
  readonly remedy?: string;
  /** Further lines: an external command's last output, a log file's path. */
  readonly details?: readonly string[];
  readonly cause?: unknown;
}

/** The only error that hal throws on purpose. `main.ts` prints it and exits with its kind's code. */
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

/** `file:line:col`, or `file: offset 0x10` for binary files. */
export function formatLocation(at: Location): string {
  if (at.offset !== undefined) return `${at.file}: offset 0x${at.offset.toString(16)}`;
  if (at.line === undefined) return at.file;
  return `${at.file}:${at.line}:${at.column ?? 1}`;
}

/** The message as a person reads it: where, what, remedy, details; control characters made visible. */
export function formatError(error: HalError): string {
  const where = error.at ? `${formatLocation(error.at)}: ` : "";
  const remedy = error.remedy ? `\n  ${error.remedy}` : "";
  const details = error.details.map((line) => `\n  | ${line}`).join("");
  return printable(`${where}${error.message}${remedy}`) + printable(details);
}

/** Replaces control characters other than newline and tab, so that hostile input cannot drive a terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
