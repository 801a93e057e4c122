import { expect, test, vi } from "vitest";
import { formatError, HalError } from "../../src/lib/errors.js";
import { formatTable, note, print, printJson, shortDigests } from "../../src/lib/terminal.js";

const rows = [
  ["feature", "p9", "9p shares of the launching host"],
  ["layout", "hardened", ""],
];

test("columns are aligned, and the last one is folded to a narrow terminal", () => {
  expect(formatTable(rows, undefined)).toBe("feature  p9        9p shares of the launching host\nlayout   hardened");
  expect(formatTable(rows, 50)).toBe(formatTable(rows, undefined));
  expect(formatTable(rows, 40)).toBe("feature  p9        9p shares of the\n                   launching host\nlayout   hardened");
});

test("text without spaces, or in a very narrow column, is not folded", () => {
  const long = "0123456789".repeat(6);
  expect(formatTable([["a", `${long} b`]], 40)).toBe(`a  ${long}\n   b`);
  expect(formatTable(rows, 30)).toBe(formatTable(rows, undefined));
});

test("digests are shortened, other numbers are not", () => {
  const digest = "0123456789abcdef".repeat(4);
  expect(shortDigests(`roothash=${digest} ${digest}0 0x${digest} 0123456789abcdef0`)).toBe(
    `roothash=0123456789abcdef… 0123456789abcdef… 0x${digest} 0123456789abcdef0`,
  );
});

/** A file name that clears the screen, reorders the line, and forges a message. */
const hostile = "\u001b[2J\u202e\u2066\u061cgnp\u009b\nok  all";
const shown = "\\x1b[2J\\u202e\\u2066\\u061cgnp\\x9b\\nok  all";

test("a cell of a table is one line, and its characters do not control the terminal", () => {
  expect(formatTable([[hostile, "x"]])).toBe(`${shown}  x`);
  expect(formatTable([["x", hostile]])).toBe(`x  ${shown}`);
});

test("no part of an error controls the terminal or starts a line", () => {
  const options = { at: { file: hostile, line: 1 }, remedy: hostile, details: [hostile] };
  expect(formatError(new HalError("input", hostile, options))).toBe(`${shown}:1:1: ${shown}\n  ${shown}\n  | ${shown}`);
});

test("text of several lines keeps its newlines, and nothing else that controls the terminal", () => {
  const [out, err] = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write").mockReturnValue(true));
  try {
    print(hostile);
    note(hostile);
    for (const spy of [out, err]) expect(spy?.mock.calls).toEqual([[`${shown.replace("\\n", "\n")}\n`]]);
  } finally {
    vi.restoreAllMocks();
  }
});

test("JSON keeps its value, and its characters do not control the terminal", () => {
  const value = { [`${hostile}\u007f`]: [hostile, "ä\u2028"] };
  const out = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    printJson(value);
    const text = String(out.mock.calls[0]?.[0]);
    expect(JSON.parse(text)).toEqual(value);
    expect(text).toMatch(/^[\n -~ä]+$/);
  } finally {
    vi.restoreAllMocks();
  }
});
