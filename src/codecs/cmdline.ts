import { HalError } from "../lib/errors.js";

/**
 * The bytes of a kernel command line. Throws a kind "input" error for a text that contains a NUL, which would end it, or that is not UTF-8.
 * Node.js replaces bytes of an argument that are not UTF-8 by U+FFFD.
 */
export function cmdlineBytes(cmdline: string): Buffer {
  if (cmdline.includes("\0")) throw new HalError("input", "command line: it contains a NUL, which would end it");
  if (/\ufffd|\p{Surrogate}/u.test(cmdline)) throw new HalError("input", "command line: it is not UTF-8");
  return Buffer.from(cmdline, "utf8");
}

/** The bytes of a kernel command line with the NUL that QEMU appends. */
export function cmdlineBytesWithNul(cmdline: string): Buffer {
  return Buffer.concat([cmdlineBytes(cmdline), Buffer.alloc(1)]);
}

/**
 * The values of a kernel parameter, in the order of the command line. Linux splits it at white space outside of double quotes; words after
 * `--` are arguments of init (Linux kernel/params.c, parse_args; lib/cmdline.c, next_arg).
 */
export function parameterValues(cmdline: string, name: string): string[] {
  const words: string[] = cmdline.match(/(?:[^\s"]|"[^"]*(?:"|$))+/g) ?? [];
  const end = words.indexOf("--");
  const parameters = (end < 0 ? words : words.slice(0, end)).map(unquote);
  return parameters.filter((word) => word.startsWith(`${name}=`)).map((word) => unquote(word.slice(name.length + 1)));
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1).replace(/"$/, "") : text;
}

/** Adds a kernel parameter at the end, before the arguments of init. */
export function addParameter(cmdline: string, parameter: string): string {
  const [kernel = "", ...init] = cmdline.split(/ -- /);
  return [`${kernel.trim()} ${parameter}`.trim(), ...init].join(" -- ");
}
