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

/** Columns padded to their widest cell, two spaces between; the last is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
