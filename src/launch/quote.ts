import { isAbsolute, join } from "node:path";
import { HalError } from "../lib/errors.js";

/** One `key=value` list of QEMU's (QemuOpts): a comma in a value is doubled, nothing else is special. */
export function qemuOptions(first: string, options: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const words = Object.entries(options).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${optionValue(value)}`]));
  return [...(first === "" ? [] : [qemuEscape(first)]), ...words].join(",");
}

function optionValue(value: string | number | boolean): string {
  return typeof value === "boolean" ? (value ? "on" : "off") : qemuEscape(String(value));
}

/** Doubles commas, as QemuOpts wants. */
function qemuEscape(text: string): string {
  return text.replaceAll(",", ",,");
}

/**
 * The path of a file beside launch.json, seen from where the command runs.
 * A colon in a relative path's first part would be a protocol to QEMU (`nbd:…`): `./` before it makes it a file.
 */
export function located(base: string | undefined, path: string): string {
  const whole = base === undefined || isAbsolute(path) ? path : join(base, path);
  return !isAbsolute(whole) && /^[^/]*:/.test(whole) ? `./${whole}` : whole;
}

/** Reports whether a text contains a C0 or C1 control character, or DEL. No launcher passes these on unchanged. */
export function hasControlCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find
  return /[\u0000-\u001f\u007f-\u009f]/.test(text);
}

/** Refuses control characters: no launcher passes them on unchanged. */
export function refuseControl(text: string, what: string): string {
  if (hasControlCharacter(text)) {
    throw new HalError("input", `${what} has a control character: ${JSON.stringify(text)}`, {
      remedy: "no newlines, tabs or other control characters",
    });
  }
  return text;
}
