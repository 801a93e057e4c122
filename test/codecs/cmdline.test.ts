import { expect, test } from "vitest";
import { addParameter, parameterValues } from "../../src/codecs/cmdline.js";

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
])("reads the values of rdinit= in '%s'", (cmdline, expected) => {
  expect(parameterValues(cmdline, "rdinit")).toEqual(expected);
});
