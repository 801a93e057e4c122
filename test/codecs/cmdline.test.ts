import fc from "fast-check";
import { expect, test } from "vitest";
import { addParameter, cmdlineWords, parameterValues, rootHashOf } from "../../src/codecs/cmdline.js";

test.each([
  ["console=null quiet", "console=null quiet rdinit=/x"],
  ["", "rdinit=/x"],
  ["quiet -- --init-argument", "quiet rdinit=/x -- --init-argument"],
])("adds a parameter to '%s' before the arguments of init", (cmdline, expected) => {
  expect(addParameter(cmdline, "rdinit=/x")).toBe(expected);
});

// The words and values that Linux takes from these (kernel/params.c, parse_args; lib/cmdline.c, next_arg).
test.each<[string, string[]]>([
  ["", []],
  ["quiet rdinit=/init", ["/init"]],
  ["rdinit=/a\trdinit=/b", ["/a", "/b"]],
  ["xrdinit=/init rdinit2=/init", []],
  ['rdinit="/a b" quiet', ["/a b"]],
  ['"rdinit=/a b" quiet', ["/a b"]],
  ['loglevel="7 rdinit=/x"', []],
  ['rdinit="/a b', ["/a b"]],
  ["rdinit=", [""]],
  ["quiet -- rdinit=/x", []],
  ['"--" rdinit=/x', []],
  ["=rdinit=/x", []],
  // U+00E0 is C3 A0 in UTF-8, and the byte A0 is white space for Linux.
  ["\u00e0rdinit=/x", ["/x"]],
])("reads the values of rdinit= in '%s'", (cmdline, expected) => {
  expect(parameterValues(cmdline, "rdinit")).toEqual(expected);
});

const hash = "0123456789abcdef".repeat(4);
test.each<[string, string | undefined]>([
  [`quiet roothash=${hash}`, hash],
  [`roothash=${hash} quiet`, hash],
  [`quiet roothash=${hash} -- quiet`, hash],
  ["quiet", undefined],
  [`roothash=${hash} roothash=${hash}`, undefined],
  [`roothash=${hash} systemd.roothash=${hash}`, undefined],
  [`systemd.roothash=${hash}`, undefined],
  [`roothash="${hash}"`, undefined],
  [`"roothash=${hash}"`, undefined],
  [`"quiet roothash=${hash}"`, undefined],
  [`-- roothash=${hash}`, undefined],
  [`roothash=${hash.toUpperCase()}`, undefined],
  [`roothash=${hash}0`, undefined],
  [`roothash=${hash.slice(1)}`, undefined],
])("the root hash of '%s'", (cmdline, expected) => {
  expect(rootHashOf(cmdline)).toBe(expected);
});

/** next_arg of lib/cmdline.c and the loop of parse_args, line by line, on bytes. */
function linuxWords(cmdline: string): { name: string; value: string | undefined }[] {
  const args = [...Buffer.from(cmdline, "utf8"), 0];
  const isSpace = (byte = 0): boolean => (byte >= 9 && byte <= 13) || byte === 32 || byte === 160;
  const quote = 0x22;
  const textAt = (from: number): string => Buffer.from(args.slice(from, args.indexOf(0, from))).toString("utf8");
  const words: { name: string; value: string | undefined }[] = [];
  let at = 0;
  while (isSpace(args[at])) at++;
  while (args[at] !== 0) {
    let [inQuote, quoted, equals, end] = [false, false, 0, 0];
    if (args[at] === quote) {
      at++;
      inQuote = true;
      quoted = true;
    }
    for (; args[at + end] !== 0; end++) {
      if (isSpace(args[at + end]) && !inQuote) break;
      if (equals === 0 && args[at + end] === 0x3d) equals = end;
      if (args[at + end] === quote) inQuote = !inQuote;
    }
    let value: number | undefined;
    if (equals !== 0) {
      args[at + equals] = 0;
      value = at + equals + 1;
      if (args[value] === quote) {
        value++;
        if (args[at + end - 1] === quote) args[at + end - 1] = 0;
      }
    }
    if (quoted && end > 0 && args[at + end - 1] === quote) args[at + end - 1] = 0;
    const next = at + end + (args[at + end] === 0 ? 0 : 1);
    args[at + end] = 0;
    words.push({ name: textAt(at), value: value === undefined ? undefined : textAt(value) });
    at = next;
    while (isSpace(args[at])) at++;
  }
  return words;
}

test("reads the words that next_arg of Linux reads", () => {
  const piece = fc.constantFrom(
    "a",
    "-",
    "--",
    "_",
    ".",
    "=",
    '"',
    " ",
    "  ",
    "\t",
    "\u00a0",
    "\u00e0",
    "rdinit",
    "init=",
    "roothash=",
    hash,
  );
  const texts = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    fc.string({ unit: "grapheme" }),
  );
  fc.assert(
    fc.property(texts, (cmdline) => {
      fc.pre(!cmdline.includes("\0"));
      expect(cmdlineWords(cmdline).map(({ name, value }) => ({ name, value }))).toEqual(linuxWords(cmdline));
    }),
    { numRuns: 5000 },
  );
});
