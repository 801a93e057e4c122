import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HalError } from "../../src/lib/errors.js";
import { genimageString, hereDocumentLine, kconfigString, makeValue, shellWord, tableField } from "../../src/lib/escape.js";
import { runCommand } from "../../src/lib/tools.js";

const at = { file: "profile.yaml", line: 3, column: 5 };
const escapers = { genimageString, hereDocumentLine, kconfigString, makeValue, shellWord, tableField };
const nasty = ["a b", "it's", "100%", "$HOME", "a$b", "`id`", "x;y", "a&&b", "*", "~", "\\n", "a\\b", "<&>", "é", "-n", "!x", "a=b", '"'];

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-escape-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** What an escaper takes of these texts; what it refuses is checked elsewhere. */
function accepted(escaper: (text: string, where: typeof at) => string, texts: readonly string[]): [text: string, escaped: string][] {
  return texts.flatMap((text): [string, string][] => {
    try {
      return [[text, escaper(text, at)]];
    } catch (error) {
      expect(error).toBeInstanceOf(HalError);
      return [];
    }
  });
}

describe("every escaper", () => {
  test.each(Object.entries(escapers))("%s refuses control characters, with the place", (_name, escaper) => {
    for (const text of ["a\nb", "a\0b", "a\rb", "\u001b[31m", "a\u007f", "a\u0085b", "a\u2028b", "\ud800"]) {
      expect(() => escaper(text, at)).toThrow(expect.objectContaining({ kind: "input", at }));
    }
  });

  test("never crashes and never lets a line break through", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        for (const escaper of Object.values(escapers))
          for (const [, escaped] of accepted(escaper, [text])) expect(escaped).not.toMatch(/[\n\r\0]/);
      }),
    );
  });
});

describe("what a program reads back is what was given", () => {
  test("a POSIX shell", async () => {
    const texts = [...nasty, ...fc.sample(fc.string(), 300)];
    const words = accepted(shellWord, texts);
    expect(words.length).toBeGreaterThan(200);
    const script = join(dir, "words.sh");
    await writeFile(script, words.map(([, word]) => `printf '%s\\n' ${word}\n`).join(""));
    const { stdout } = await runCommand({ tool: "sh", args: [script] });
    expect(stdout).toBe(words.map(([text]) => `${text}\n`).join(""));
  });

  test("a POSIX shell that reads a here-document line by line", async () => {
    const lines = accepted(hereDocumentLine, [...nasty, "EOF", ...fc.sample(fc.string(), 300)]);
    expect(lines.length).toBeGreaterThan(200);
    const script = join(dir, "lines.sh");
    const text = lines.map(([, line]) => `${line}\n`).join("");
    await writeFile(script, `while read -r line; do printf '%s\\n' "$line"; done <<'EOF'\n${text}EOF\n`);
    const { stdout } = await runCommand({ tool: "sh", args: [script] });
    expect(stdout).toBe(lines.map(([line]) => `${line}\n`).join(""));
  });

  test("make, for makefiles and for a .config that Buildroot includes", async () => {
    const texts = [...nasty, ...fc.sample(fc.string(), 300)].filter((text) => text !== "");
    const values = accepted(makeValue, texts);
    const strings = accepted(kconfigString, texts);
    expect(strings.length).toBeGreaterThan(100);
    const lines = [...values, ...strings].map(([, escaped], index) => `V${index} = ${escaped}\n`);
    const print = [...values, ...strings].map((_, index) => `$(info $(V${index}))\n`);
    const file = join(dir, "Makefile");
    await writeFile(file, `${lines.join("")}${print.join("")}all: ;@:\n`);
    const { stdout } = await runCommand({ tool: "make", args: ["-s", "-f", file] });
    expect(stdout).toBe([...values.map(([text]) => `${text}\n`), ...strings.map(([text]) => `"${text}"\n`)].join(""));
  });
});

test("what would be expanded or cut off is refused", () => {
  for (const text of ["$(shell id)", `\${HOME}`]) {
    expect(() => kconfigString(text, at)).toThrow(/make would expand/);
    expect(() => makeValue(text, at)).toThrow(/make would expand/);
  }
  for (const text of ['a"b', "a\\b", "a#b"]) expect(() => kconfigString(text, at)).toThrow(HalError);
  for (const text of [" a", "a ", "a\\"]) expect(() => makeValue(text, at)).toThrow(HalError);
  expect(() => genimageString(`\${HOME}`, at)).toThrow(/environment/);
  for (const text of ["", "a b", "#x", "a\tb"]) expect(() => tableField(text, at)).toThrow(HalError);
  for (const text of ["", " a", "a\t", "EOF"]) expect(() => hereDocumentLine(text, at)).toThrow(HalError);
});

test("each language's own way to write a character", () => {
  expect(kconfigString("a$b", at)).toBe('"a$$b"');
  expect(makeValue("a#$b", at)).toBe("a\\#$$b");
  expect(genimageString('a"b\\', at)).toBe('"a\\"b\\\\"');
  expect(shellWord("it's", at)).toBe(`'it'\\''s'`);
});
