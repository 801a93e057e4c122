import { HalError, type Location } from "../lib/errors.js";

export interface ConfigLine {
  readonly symbol: string;
  /** As written: `y`, `m`, a number, a quoted string; `n` for `# X is not set`. */
  readonly value: string;
  readonly at: Location;
}

/** A line that Kconfig reads differently than it looks, in most cases without a warning. */
export interface ConfigProblem {
  readonly symbol: string | undefined;
  readonly at: Location;
  readonly message: string;
  readonly remedy: string;
}

export interface DotConfig {
  readonly file: string;
  readonly lines: readonly ConfigLine[];
  /** The effective line of each symbol: the last one. */
  readonly entries: ReadonlyMap<string, ConfigLine>;
  readonly problems: readonly ConfigProblem[];
}

const MAX_BYTES = 16 * 1024 * 1024;
const NOT_SET = /^# ([A-Za-z0-9_]+) is not set$/;
const ALMOST_NOT_SET = /^\s*#+\s*([A-Za-z0-9_]{3,})\s+is\s+not\s+set\b/i;
const VALUE = /^(?:[ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*")$/;

/**
 * Reads a .config, defconfig or fragment. A line must be empty, a comment, `X=value` or `# X is not set`. Any other line is a problem,
 * and so is `X=n`. The result has all readable lines, also when there are problems.
 * @param prefix required start of every symbol: `BR2_`, `CONFIG_`, or "" for any
 * @throws HalError "input" when the file is not text
 */
export function readDotConfig(text: string, file: string, prefix = ""): DotConfig {
  if (text.length > MAX_BYTES || text.includes("\0")) throw new HalError("input", "this is not a configuration file", { at: { file } });
  const lines: ConfigLine[] = [];
  const problems: ConfigProblem[] = [];
  text.split("\n").forEach((raw, index) => {
    const at = { file, line: index + 1, column: 1 };
    const read = readLine(raw.replace(/\r$/, ""), at, prefix);
    if (read.line !== undefined) lines.push(read.line);
    if (read.problem !== undefined) problems.push(read.problem);
  });
  return { file, lines, entries: new Map(lines.map((line) => [line.symbol, line])), problems };
}

/**
 * The lines of a kernel fragment.
 * @throws HalError "input" at the first line with a problem
 */
export function readFragment(text: string, file: string): readonly ConfigLine[] {
  const { lines, problems } = readDotConfig(text, file, "CONFIG_");
  const [problem] = problems;
  if (problem !== undefined) throw new HalError("input", problem.message, { at: problem.at, remedy: problem.remedy });
  return lines;
}

/** A line as Kconfig writes it. */
export function formatConfigLine({ symbol, value }: Pick<ConfigLine, "symbol" | "value">): string {
  return value === "n" ? `# ${symbol} is not set` : `${symbol}=${value}`;
}

/** A value as Kconfig compares it: a string without quotes and escapes; any other value unchanged. */
export function plainValue(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}

interface Read {
  readonly line?: ConfigLine;
  readonly problem?: ConfigProblem;
}

function readLine(raw: string, at: Location, prefix: string): Read {
  const problem = (symbol: string | undefined, message: string, remedy: string): Read => ({ problem: { symbol, at, message, remedy } });
  if (raw.trim() === "") return {};
  const unset = NOT_SET.exec(raw)?.[1];
  if (unset !== undefined) return checked({ symbol: unset, value: "n", at }, prefix);
  if (/^\s*#/.test(raw)) {
    const almost = ALMOST_NOT_SET.exec(raw)?.[1];
    if (almost === undefined || !almost.startsWith(prefix)) return {};
    return problem(almost, "Kconfig reads this line as a comment", `write exactly: # ${almost} is not set`);
  }
  const [, before = "", symbol, space = "", written = ""] = /^(\s*)([A-Za-z0-9_]+)(\s*)=(.*)$/.exec(raw) ?? [];
  if (symbol === undefined) return problem(undefined, "this is not a configuration line", "write SYMBOL=value or # SYMBOL is not set");
  if (before !== "" || space !== "" || /^\s/.test(written)) {
    return problem(symbol, `white space around the name or '=' hides ${symbol} from Kconfig`, `write ${symbol}=${written.trim()}`);
  }
  const value = written.trimEnd();
  if (value === "n") {
    const read = checked({ symbol, value, at }, prefix);
    return {
      ...read,
      problem: read.problem ?? {
        symbol,
        at,
        message: `'${symbol}=n' is not the notation for a symbol that is off`,
        remedy: `write: # ${symbol} is not set`,
      },
    };
  }
  if (!VALUE.test(value)) return problem(symbol, `Kconfig cannot read the value of ${symbol}: ${value || "(empty)"}`, valueRemedy(value));
  return checked({ symbol, value, at }, prefix);
}

function checked(line: ConfigLine, prefix: string): Read {
  if (line.symbol.startsWith(prefix)) return { line };
  const remedy = `write ${formatConfigLine({ ...line, symbol: `${prefix}${line.symbol}` })}, or move the line to the right file`;
  return { problem: { symbol: line.symbol, at: line.at, message: `${line.symbol} does not begin with ${prefix}`, remedy } };
}

function valueRemedy(value: string): string {
  if (/^(?:[ymn]|-?\d+|".*")\s+#/.test(value)) return "put the comment on its own line";
  if (/^"/.test(value)) return 'end the string with "; inside it, write \\" for " and \\\\ for \\';
  return `write y, m, a number, or a string in quotes: "${value}"`;
}
