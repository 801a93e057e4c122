import { printable, printableJson, printableLine } from "./errors.js";

/** Prints a result as one JSON document on stdout. Control characters are escaped, as by `print`. */
export function printJson(value: unknown): void {
  process.stdout.write(`${printableJson(JSON.stringify(value, null, 2))}\n`);
}

/** Prints a result on stdout. Control characters are escaped: the text can contain names from a directory that somebody else made. */
export function print(text: string): void {
  if (text !== "") process.stdout.write(printable(text.endsWith("\n") ? text : `${text}\n`));
}

/** Prints progress or a remark on stderr, so that a pipe receives results only. */
export function note(text: string): void {
  process.stderr.write(printable(`${text}\n`));
}

/** Text for people: shortens digests to 16 digits. `--json` prints them in full. */
export function shortDigests(text: string): string {
  return text.replace(/\b([0-9a-f]{16})[0-9a-f]{24,}\b/g, "$1…");
}

/** Columns narrower than this are not folded. */
const NARROW = 20;

/**
 * Formats rows as columns with two spaces between them. The last column is folded at spaces to fit the terminal.
 * Each cell is one line: newlines in it are escaped.
 * @param width width of the terminal in columns; undefined without a terminal
 */
export function formatTable(rows: readonly (readonly string[])[], width = process.stdout.columns as number | undefined): string {
  const widths: number[] = [];
  const shown = rows.map((row) => row.map(printableLine));
  for (const row of shown)
    for (const [column, cell] of row.slice(0, -1).entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return shown
    .map((row) => {
      const before = row.slice(0, -1).map((cell, column) => `${cell.padEnd(widths[column] ?? 0)}  `);
      const indent = before.join("").length;
      const last = fold(row.at(-1) ?? "", (width ?? Number.POSITIVE_INFINITY) - indent);
      return `${before.join("")}${last.join(`\n${" ".repeat(indent)}`)}`.trimEnd();
    })
    .join("\n");
}

function fold(text: string, room: number): string[] {
  if (text.length <= room || room < NARROW) return [text];
  const end = text.lastIndexOf(" ", room);
  const space = end > 0 ? end : text.indexOf(" ", room);
  return space < 0 ? [text] : [text.slice(0, space), ...fold(text.slice(space + 1), room)];
}
