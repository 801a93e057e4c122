import { describe, expect, test } from "vitest";
import { formatConfigLine, plainValue, readDotConfig, readFragment } from "../../src/kconfig/dotconfig.js";
import { mergeFragments } from "../../src/kconfig/resolve-config.js";
import { HalError } from "../../src/lib/errors.js";

describe("valid lines", () => {
  test.each([
    ["BR2_A=y", "BR2_A", "y"],
    ["BR2_A=m", "BR2_A", "m"],
    ["# BR2_A is not set", "BR2_A", "n"],
    ["BR2_A=12", "BR2_A", "12"],
    ["BR2_A=-1", "BR2_A", "-1"],
    ["BR2_A=0x1F", "BR2_A", "0x1F"],
    ['BR2_A=""', "BR2_A", '""'],
    ['BR2_A="a \\"b\\" \\\\ #c"', "BR2_A", '"a \\"b\\" \\\\ #c"'],
    ["BR2_x86_64=y", "BR2_x86_64", "y"],
    ["BR2_A=y\r", "BR2_A", "y"],
  ])("%s", (line, symbol, value) => {
    const { lines, problems } = readDotConfig(`\n# a comment\n${line}\n`, "f");
    expect(problems).toEqual([]);
    expect(lines).toEqual([{ symbol, value, at: { file: "f", line: 3, column: 1 } }]);
  });

  test("the last of two lines is effective; both are in the result", () => {
    const config = readDotConfig("A=y\n# A is not set\n", "f");
    expect(config.entries.get("A")?.value).toBe("n");
    expect(config.lines).toHaveLength(2);
  });

  test("formatted lines equal the lines that were read", () => {
    const text = '# A is not set\nB=y\nC="x \\" y"\nD=3\n';
    expect(readDotConfig(text, "f").lines.map(formatConfigLine).join("\n")).toBe(text.trimEnd());
    expect(plainValue('"x \\" y"')).toBe('x " y');
  });
});

describe("lines with a problem", () => {
  test.each([
    ["BR2_A=n", /not the notation for a symbol that is off/, "write: # BR2_A is not set"],
    ["BR2_A = y", /white space/, "write BR2_A=y"],
    [" BR2_A=y", /white space/, "write BR2_A=y"],
    ["BR2_A= y", /white space/, "write BR2_A=y"],
    ["BR2_A=", /cannot read the value of BR2_A: \(empty\)/, 'write y, m, a number, or a string in quotes: ""'],
    ["BR2_A=yes", /cannot read the value of BR2_A: yes/, 'write y, m, a number, or a string in quotes: "yes"'],
    ["BR2_A=text", /cannot read/, 'write y, m, a number, or a string in quotes: "text"'],
    ['BR2_A="open', /cannot read/, 'end the string with "; inside it, write \\" for " and \\\\ for \\'],
    ['BR2_A="a"b"', /cannot read/, 'end the string with "; inside it, write \\" for " and \\\\ for \\'],
    ["BR2_A=y # why", /cannot read/, "put the comment on its own line"],
    ["#BR2_A is not set", /reads this line as a comment/, "write exactly: # BR2_A is not set"],
    ["# BR2_A is not set.", /reads this line as a comment/, "write exactly: # BR2_A is not set"],
    ["# BR2_A  is not set", /reads this line as a comment/, "write exactly: # BR2_A is not set"],
    ["BR2_A", /not a configuration line/, "write SYMBOL=value or # SYMBOL is not set"],
    ["export BR2_A=y", /not a configuration line/, "write SYMBOL=value or # SYMBOL is not set"],
    ["A=y", /does not begin with BR2_/, "write BR2_A=y, or move the line to the right file"],
  ])("%s", (line, message, remedy) => {
    const { problems } = readDotConfig(`\n${line}\n`, "f", "BR2_");
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(message);
    expect(problems[0]?.remedy).toBe(remedy);
    expect(problems[0]?.at).toEqual({ file: "f", line: 2, column: 1 });
  });

  test("a fragment of a profile stops at the first", () => {
    expect(() => readFragment("CONFIG_A=y\nCONFIG_B=n\n", "site.config")).toThrow(HalError);
    expect(() => readFragment("USB=y\n", "site.config")).toThrow(/does not begin with CONFIG_/);
    expect(readFragment("CONFIG_A=y\n", "site.config")).toEqual([
      { symbol: "CONFIG_A", value: "y", at: { file: "site.config", line: 1, column: 1 } },
    ]);
  });

  test("a binary file is refused", () => {
    expect(() => readDotConfig("A=y\0", "f")).toThrow(/not a configuration file/);
  });
});

test("merged fragments have one line a symbol: the later one's", () => {
  const merged = mergeFragments([
    readDotConfig("CONFIG_A=y\nCONFIG_B=m\n", "1"),
    readDotConfig("# CONFIG_A is not set\nCONFIG_C=3\n", "2"),
  ]);
  expect(merged).toBe("# CONFIG_A is not set\nCONFIG_B=m\nCONFIG_C=3\n");
});
