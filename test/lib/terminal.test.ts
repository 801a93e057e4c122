import { expect, test } from "vitest";
import { shortDigests, table } from "../../src/lib/terminal.js";

const rows = [
  ["feature", "p9", "9p shares of the launching host"],
  ["layout", "hardened", ""],
];

test("a table has its columns below each other, and its last one folded into a narrow terminal", () => {
  expect(table(rows, undefined)).toBe("feature  p9        9p shares of the launching host\nlayout   hardened");
  expect(table(rows, 50)).toBe(table(rows, undefined));
  expect(table(rows, 40)).toBe("feature  p9        9p shares of the\n                   launching host\nlayout   hardened");
});

test("what cannot be folded, or has hardly any room, stays as it is", () => {
  const long = "0123456789".repeat(6);
  expect(table([["a", `${long} b`]], 40)).toBe(`a  ${long}\n   b`);
  expect(table(rows, 30)).toBe(table(rows, undefined));
});

test("digests are cut for people, other numbers are not", () => {
  const digest = "0123456789abcdef".repeat(4);
  expect(shortDigests(`roothash=${digest} ${digest}0 0x${digest} 0123456789abcdef0`)).toBe(
    `roothash=0123456789abcdef… 0123456789abcdef… 0x${digest} 0123456789abcdef0`,
  );
});
