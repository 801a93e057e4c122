import { HalError, type Location } from "../lib/errors.js";

export interface Token {
  readonly kind: "word" | "string" | "operator" | "macro";
  /** A string without quotes and escapes; a macro call as written, `$(…)`. */
  readonly text: string;
  readonly at: Location;
}

/** A line with its continuation lines, or a `help` with its text. */
export interface Statement {
  readonly at: Location;
  /** The first word of the line; undefined when the line starts with another character. */
  readonly keyword: string | undefined;
  /** The whole line, continuation lines joined. */
  readonly text: string;
  /** The indented text under `help`. */
  readonly help: string | undefined;
  /** The tokens after the keyword. Not for a macro assignment, which has other tokens. */
  tokens(): readonly Token[];
}

const HELP = /^\s*(?:help|---help---)\s*(?:#.*)?$/;
const OPERATOR = /&&|\|\||!=|<=|>=|[=<>!()]/y;
const WORD = /[A-Za-z0-9_./-]+/y;

/**
 * Splits a Kconfig file into statements. Comments and blank lines are dropped and continuation lines (`\`) joined. A help text ends
 * before the first line that is indented less than its first line.
 */
export function statements(text: string, file: string): readonly Statement[] {
  const lines = text.split(/\r?\n/);
  const found: Statement[] = [];
  for (let i = 0; i < lines.length; i++) {
    const first = lines[i] ?? "";
    if (/^\s*(#|$)/.test(first)) continue;
    const line = i + 1;
    if (HELP.test(first)) {
      const help = helpText(lines, i + 1);
      found.push({ at: { file, line }, keyword: "help", text: first, help: help.text, tokens: () => [] });
      i = help.next - 1;
      continue;
    }
    let logical = first;
    while (logical.endsWith("\\") && logical.length <= MAX_LINE && i + 1 < lines.length)
      logical = `${logical.slice(0, -1)} ${lines[++i] ?? ""}`;
    found.push(statement(logical, file, line));
  }
  return found;
}

/** Longer than any real line. The search for the end of a quote or macro takes quadratic time. */
const MAX_LINE = 16 * 1024;

function statement(logical: string, file: string, line: number): Statement {
  if (logical.length > MAX_LINE) throw new HalError("input", `the line is longer than ${MAX_LINE} characters`, { at: { file, line } });
  const start = logical.search(/\S/);
  const keyword = /^[A-Za-z0-9_-]+/.exec(logical.slice(start))?.[0];
  const at = { file, line, column: start + 1 };
  return { at, keyword, text: logical, help: undefined, tokens: () => tokenize(logical, start + (keyword?.length ?? 0), file, line) };
}

/** The help text that starts at line `from`, and the number of the first line after it. */
function helpText(lines: readonly string[], from: number): { readonly text: string; readonly next: number } {
  const kept: string[] = [];
  let indent: number | undefined;
  let next = from;
  for (; next < lines.length; next++) {
    const raw = lines[next] ?? "";
    if (raw.trim() === "") {
      kept.push("");
      continue;
    }
    const expanded = raw.replace(/^[ \t]+/, (space) => " ".repeat(width(space)));
    const depth = expanded.search(/\S/);
    indent ??= depth;
    if (depth === 0 || depth < indent) break;
    kept.push(expanded.slice(indent).trimEnd());
  }
  return { text: kept.join("\n").trim(), next };
}

/** The width of leading white space in columns, with a tab stop every 8 columns as in the kernel's lexer. */
function width(space: string): number {
  let columns = 0;
  for (const c of space) columns = c === "\t" ? (columns & ~7) + 8 : columns + 1;
  return columns;
}

function tokenize(text: string, from: number, file: string, line: number): readonly Token[] {
  const tokens: Token[] = [];
  let i = from;
  const fail = (message: string): HalError => new HalError("input", message, { at: { file, line, column: i + 1 } });
  while (i < text.length) {
    const c = text.charAt(i);
    const at = { file, line, column: i + 1 };
    if (c === "#") break;
    if (c === " " || c === "\t") {
      i++;
    } else if (c === '"' || c === "'") {
      const end = stringEnd(text, i);
      if (end === undefined) throw fail("the quote has no end on this line");
      tokens.push({ kind: "string", text: text.slice(i + 1, end).replace(/\\(.)/g, "$1"), at });
      i = end + 1;
    } else if (text.startsWith("$(", i)) {
      const end = macroEnd(text, i);
      if (end === undefined) throw fail("'$(' has no ')' on this line");
      tokens.push({ kind: "macro", text: text.slice(i, end), at });
      i = end;
    } else {
      const match = [OPERATOR, WORD].map((pattern) => matchAt(pattern, text, i)).find((found) => found !== undefined);
      if (match === undefined) throw fail(`unexpected character '${c}'`);
      tokens.push({ kind: /^[A-Za-z0-9_./-]/.test(match) ? "word" : "operator", text: match, at });
      i += match.length;
    }
  }
  return tokens;
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/** Index of the closing quote. A `$(…)` inside the string can contain quotes. */
function stringEnd(text: string, start: number): number | undefined {
  const quote = text.charAt(start);
  for (let i = start + 1; i < text.length; i++) {
    if (text.startsWith("$(", i)) {
      const end = macroEnd(text, i);
      if (end !== undefined) i = end - 1;
    } else if (text.charAt(i) === "\\") i++;
    else if (text.charAt(i) === quote) return i;
  }
  return undefined;
}

/** Index after the `)` that closes the `$(` at `start`. */
function macroEnd(text: string, start: number): number | undefined {
  let depth = 0;
  for (let i = start + 1; i < text.length; i++) {
    if (text.charAt(i) === "(") depth++;
    else if (text.charAt(i) === ")" && --depth === 0) return i + 1;
  }
  return undefined;
}
