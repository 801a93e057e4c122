import { expect, test } from "vitest";
import { formatTable, shortDigests } from "../../src/lib/terminal.js";

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
