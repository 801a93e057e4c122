import { printable } from "./errors.js";

/** Results go to stdout: one JSON document with `--json`. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Text may hold what a stranger wrote, such as file names of a directory that is verified: it must not drive a terminal. */
export function print(text: string): void {
  if (text !== "") process.stdout.write(printable(text.endsWith("\n") ? text : `${text}\n`));
}

/** Progress and remarks go to stderr, so that pipes see results only. */
export function note(text: string): void {
  process.stderr.write(printable(`${text}\n`));
}

/** Text for people, its digests cut to what tells them apart; `--json` has all of them. */
export function shortDigests(text: string): string {
  return text.replace(/\b([0-9a-f]{16})[0-9a-f]{24,}\b/g, "$1…");
}

/** Too little room for words to be worth folding into. */
const NARROW = 20;

/**
 * Columns padded to their widest cell, two spaces between. The last one is folded at spaces into what a terminal has left for it.
 * @param width of the terminal; undefined where there is none
 */
export function table(rows: readonly (readonly string[])[], width = process.stdout.columns as number | undefined): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.slice(0, -1).entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
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
