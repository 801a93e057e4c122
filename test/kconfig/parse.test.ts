import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatExpression } from "../../src/kconfig/expression.js";
import type { KconfigSymbol } from "../../src/kconfig/model.js";
import { parseKconfig } from "../../src/kconfig/parse.js";
import { HalError } from "../../src/lib/errors.js";
import { buildrootTree } from "./small-trees.js";
import { directory, parseTree } from "./tree.js";

function symbol(text: string, name = "A"): KconfigSymbol {
  const found = parseTree({ "Config.in": text }).symbols.get(name);
  if (found === undefined) throw new Error(`${name} was not read`);
  return found;
}

function conditions(of: KconfigSymbol): readonly string[] {
  return of.definitions.flatMap((one) => one.conditions.map(({ expr, at }) => `${formatExpression(expr)}@${at.line}`));
}

function errorOf(files: Readonly<Record<string, string>>): HalError {
  try {
    parseTree(files);
  } catch (error) {
    if (error instanceof HalError) return error;
    throw error;
  }
  throw new Error("nothing was wrong");
}

describe("the definition of a symbol", () => {
  test("type, prompt, help and place", () => {
    const a = symbol('\nconfig A\n\tbool "the prompt" # why\n\thelp\n\t  First line.\n\n\t    indented\n\nconfig B\n\tint\n');
    expect(a.type).toBe("bool");
    expect(a.definitions[0]?.prompt?.text).toBe("the prompt");
    expect(a.definitions[0]?.help).toBe("First line.\n\n  indented");
    expect(a.definitions[0]?.at).toEqual({ file: "Config.in", line: 2, column: 1 });
  });

  test("help ends at the first line that is indented less, which is read again", () => {
    const a = symbol('config A\n\tbool "a"\n\thelp\n\t\tdeep\n\tdepends on B\n');
    expect(a.definitions[0]?.help).toBe("deep");
    expect(conditions(a)).toEqual(["B@5"]);
  });

  test.each([
    ["X if Y", "X || (Y = n)"],
    ["X if Y && Z", "X || ((Y = n) || (Z = n))"],
    ["X if Y || !Z", "X || ((Y = n) && !(Z = n))"],
    ["X if Y != m", "X || !(Y != m)"],
  ])("depends on %s: only where the condition holds (Linux 7.0)", (line, meaning) => {
    expect(conditions(symbol(`config A\n\tbool "a"\n\tdepends on ${line}\n`))).toEqual([`${meaning}@3`]);
  });

  test.each([
    ["bool", "bool"],
    ["boolean", "bool"],
    ["tristate", "tristate"],
    ["string", "string"],
    ["int", "int"],
    ["hex", "hex"],
    ["def_bool y", "bool"],
    ["def_tristate m", "tristate"],
  ])("%s", (line, type) => {
    expect(symbol(`config A\n\t${line}\n`).type).toBe(type);
  });

  test("several definitions of one symbol are all kept", () => {
    expect(symbol('config A\n\tbool "one"\n\tdepends on X\nconfig A\n\tbool\n\tdepends on Y\n').definitions).toHaveLength(2);
  });

  test("defaults, ranges and environment", () => {
    const a = symbol('config A\n\tint "n"\n\tdefault 5 if X\n\tdefault 6\n\trange 1 10 if X\n\trange 2 B\n');
    expect(a.definitions[0]?.defaults.map(({ value, when }) => [formatExpression(value), when && formatExpression(when)])).toEqual([
      ["5", "X"],
      ["6", undefined],
    ]);
    expect(a.definitions[0]?.ranges.map(({ low, high }) => `${formatExpression(low)}..${formatExpression(high)}`)).toEqual([
      "1..10",
      "2..B",
    ]);
    const env = parseTree({ "Config.in": 'config A\n\tstring\n\toption env="PLACE"\n' }, { environment: { PLACE: "here" } });
    expect(env.symbols.get("A")?.environment).toBe("here");
  });

  test("select and imply are listed at the selected symbol", () => {
    const a = symbol('config B\n\tbool "b"\n\tselect A if X && Y\n\timply A\nconfig A\n\tbool\n');
    expect(a.selectedBy.map(({ by, when, at }) => [by, when && formatExpression(when), at.line])).toEqual([["B", "X && Y", 3]]);
    expect(a.impliedBy.map(({ by }) => by)).toEqual(["B"]);
  });
});

describe("dependencies", () => {
  test("if, menu, choice and depends on, each with its line", () => {
    const a = symbol(
      'if P\nmenu "m"\n\tdepends on Q\nif R\nchoice\n\tprompt "c"\n\tdepends on S\nconfig A\n\tbool "a"\n\tdepends on T\n\tdepends on U || V\nendchoice\nendif\nendmenu\nendif\n',
    );
    expect(conditions(a)).toEqual(["P@1", "Q@3", "R@4", "S@7", "T@10", "U || V@11"]);
    expect(a.definitions[0]?.choice?.members).toEqual(["A"]);
  });

  test("a block's conditions end with it", () => {
    expect(conditions(symbol('if P\nconfig B\n\tbool "b"\nendif\nconfig A\n\tbool "a"\n'))).toEqual([]);
  });

  test("visible if and the prompt's own condition hide the prompt only", () => {
    const a = symbol('menu "m"\n\tvisible if P\nconfig A\n\tbool "a" if Q\nendmenu\n');
    expect(a.definitions[0]?.conditions).toEqual([]);
    expect(a.definitions[0]?.prompt?.visible.map(({ expr }) => formatExpression(expr))).toEqual(["P", "Q"]);
  });
});

describe("expressions", () => {
  test.each([
    ["A && B || C && !D", "(A && B) || (C && !D)"],
    ["!(A || B)", "!(A || B)"],
    ['A = "x y" && B != 3', '(A = "x y") && (B != 3)'],
    ["A<=B && C>D", "(A <= B) && (C > D)"],
    ["$(cc-option,-m64) && A", "$(cc-option,-m64) && A"],
    ['$(success,test "$(X)" = "x") || A', '$(success,test "$(X)" = "x") || A'],
    ["A && \\\n\t\tB", "A && B"],
  ])("%s", (text, expected) => {
    const a = symbol(`config A\n\tbool "a"\n\tdepends on ${text}\n`);
    expect(a.definitions.flatMap((one) => one.conditions.map(({ expr }) => formatExpression(expr)))).toEqual([expected]);
  });
});

describe("source", () => {
  test("plain, pattern, relative, optional, by environment and by a symbol's text", () => {
    const kconfig = parseTree(
      {
        "Config.in":
          'source "a/Config.in"\nsource "many/*.in"\nosource "none.in"\nconfig PATH\n\tstring\n\tdefault "env"\nsource "$PATH/Config.in"\nsource "arch/$(ARCH)/Kconfig"\n',
        "a/Config.in": 'rsource "sub.in"\n',
        "a/sub.in": "config A\n\tbool\n",
        "many/2.in": "config TWO\n\tbool\n",
        "many/1.in": "config ONE\n\tbool\n",
        "env/Config.in": "config ENV\n\tbool\n",
        "arch/x86/Kconfig": "config X86\n\tbool\n",
      },
      { environment: { ARCH: "x86" } },
    );
    expect([...kconfig.symbols.keys()]).toEqual(["A", "ONE", "TWO", "PATH", "ENV", "X86"]);
    expect(kconfig.files).toBe(7);
  });

  test("a file that is sourced twice is not a circle", () => {
    const files = { "Config.in": 'source "a.in"\nsource "a.in"\n', "a.in": "config A\n\tbool\n" };
    expect(parseTree(files).symbols.get("A")?.definitions).toHaveLength(2);
  });
});

describe("errors and their place", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, RegExp, string])[] = [
    [
      "a circle of sources",
      { "Config.in": 'source "a.in"\n', "a.in": '\nsource "Config.in"\n' },
      /source each other in a circle: Config.in -> a.in -> Config.in/,
      "a.in:2:1",
    ],
    ["a file that sources itself", { "Config.in": 'source "Config.in"\n' }, /circle/, "Config.in:1:1"],
    ["a missing file", { "Config.in": '\n\nsource "none.in"\n' }, /no such Kconfig file: none.in/, "Config.in:3:1"],
    ["a variable without value", { "Config.in": 'source "$NONE/x"\n' }, /'\$NONE' has no value/, "Config.in:1:1"],
    ["an unknown keyword", { "Config.in": "config A\n\tbol\n" }, /'bol' is not a Kconfig statement/, "Config.in:2:2"],
    ["an attribute without entry", { "Config.in": "bool\n" }, /has no entry above it/, "Config.in:1:1"],
    ["help without entry", { "Config.in": "help\n\tx\n" }, /has no entry above it/, "Config.in:1"],
    ["an open if", { "Config.in": "\nif A\n" }, /'if' has no 'endif'/, "Config.in:2:1"],
    ["an open menu", { "Config.in": 'menu "x"\n' }, /'menu' has no 'endmenu'/, "Config.in:1:1"],
    ["an endif without if", { "Config.in": "endif\n" }, /'endif' without 'if'/, "Config.in:1:1"],
    ["the wrong end", { "Config.in": 'menu "x"\nendif\n' }, /'endif' without 'if'/, "Config.in:2:1"],
    ["an end in another file", { "Config.in": 'if A\nsource "a.in"\n', "a.in": "endif\n" }, /in this file/, "a.in:1:1"],
    ["no closing quote", { "Config.in": 'config A\n\tbool "a\n' }, /quote has no end/, "Config.in:2:7"],
    ["no closing parenthesis", { "Config.in": "config A\n\tdepends on (B && C\n" }, /'\)' is missing/, "Config.in:2:2"],
    ["no operand", { "Config.in": "config A\n\tdepends on B &&\n" }, /a symbol or a value is missing/, "Config.in:2:2"],
    ["no 'on'", { "Config.in": "config A\n\tdepends B\n" }, /'depends' needs 'on'/, "Config.in:2:10"],
    ["an extra word", { "Config.in": "config A B\n" }, /unexpected 'B'/, "Config.in:1:10"],
    ["a stray character", { "Config.in": "config A\n\tdepends on B & C\n" }, /unexpected character '&'/, "Config.in:2:15"],
    ["an expression nested too deep", { "Config.in": `config A\n\tdepends on ${"(".repeat(9000)}B\n` }, /nested deeper/, "Config.in:2:"],
    ["too many negations", { "Config.in": `config A\n\tdepends on ${"!".repeat(9000)}B\n` }, /nested deeper/, "Config.in:2:"],
    ["too many nested blocks", { "Config.in": "if A\n".repeat(5000) }, /nested deeper/, "Config.in:201:1"],
    ["a very long line", { "Config.in": `config A\n\tbool "${"$(".repeat(9000)}\n` }, /longer than/, "Config.in:2"],
    ["a binary file", { "Config.in": "config A\0\n" }, /NUL/, "Config.in"],
  ];
  test.each(cases)("%s", (_name, files, message, at) => {
    const error = errorOf(files);
    expect(error.kind).toBe("input");
    expect(error.message).toMatch(message);
    expect(`${error.at?.file}:${error.at?.line ?? ""}:${error.at?.column ?? ""}`.replace(/:+$/, "")).toContain(at);
  });

  test("sources nested too deep", () => {
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`f${i}`, i < 299 ? `source "f${i + 1}"\n` : "config A\n\tbool\n"]),
    );
    expect(errorOf(files).message).toMatch(/'source' nested deeper than 200/);
  });

  test("a missing tree", () => {
    expect(() => parseKconfig({ root: directory(), file: "Config.in", environment: {}, prefix: "" })).toThrow(/no such Kconfig file/);
  });

  test("a file outside of the trees, whose lines a message would quote", () => {
    const secret = join(directory({ secret: "a password\n" }), "secret");
    const root = directory({ "Config.in": `source "${secret}"\n`, "linked.in": 'source "link"\n' });
    symlinkSync(secret, join(root, "link"));
    for (const file of ["Config.in", "linked.in", "link"]) {
      const parse = () => parseKconfig({ root, file, environment: {}, prefix: "", within: [root] });
      expect(parse).toThrow(/is outside of/);
      expect(parse).not.toThrow(/password/);
    }
  });
});

test("Linux: macro assignments, stand-alone macros and new attributes are skipped", () => {
  const kconfig = parseTree(
    {
      Kconfig:
        'cc-name := $(shell,$(CC) -v)\n$(error-if,$(failure,command -v $(CC)),no compiler)\nconfig MODULES\n\tbool "m"\n\tmodules\nconfig CC_OK\n\tdef_bool $(cc-option,-fstack-x)\nconfig OLD\n\tbool\n\ttransitional\n',
    },
    { prefix: "CONFIG_" },
  );
  expect([...kconfig.symbols.keys()]).toEqual(["MODULES", "CC_OK", "OLD"]);
});

test("2,000 damaged trees are read or refused with a located error", () => {
  const files: Readonly<Record<string, string>> = buildrootTree;
  const names = Object.keys(files);
  const dir = directory(files);
  const pieces = [
    '"',
    "'",
    "(",
    ")",
    "$(",
    "\\\n",
    "\n",
    "\t",
    "if ",
    "endif\n",
    "config ",
    "depends on ",
    "&&",
    "!",
    "#",
    "help\n",
    'source "Config.in"\n',
    "\u0000",
    "é",
  ];
  let seed = 1;
  const random = (below: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  for (let i = 0; i < 2000; i++) {
    const name = names[random(names.length)] ?? "Config.in";
    const text = files[name] ?? "";
    const [from, length] = [random(text.length), random(3) === 0 ? random(40) : 0];
    writeFileSync(join(dir, name), text.slice(0, from) + (pieces[random(pieces.length)] ?? "") + text.slice(from + length));
    try {
      parseKconfig({ root: dir, file: "Config.in", environment: {}, prefix: "" });
    } catch (error) {
      expect(error).toBeInstanceOf(HalError);
      expect(error instanceof HalError ? error.at?.file : undefined).toBeTruthy();
    }
    writeFileSync(join(dir, name), text);
  }
});
