import { isAbsolute, join } from "node:path";
import { HalError } from "../lib/errors.js";

/** Writes one option list of QEMU (QemuOpts): `FIRST,key=value,…`. Skips undefined values and doubles the commas of the others. */
export function qemuOptions(first: string, options: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const words = Object.entries(options).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${optionValue(value)}`]));
  return [...(first === "" ? [] : [doubleCommas(first)]), ...words].join(",");
}

function optionValue(value: string | number | boolean): string {
  return typeof value === "boolean" ? (value ? "on" : "off") : doubleCommas(String(value));
}

/** Doubles commas. No other character is special in QemuOpts. */
export function doubleCommas(text: string): string {
  return text.replaceAll(",", ",,");
}

/**
 * Returns the path that a launcher gets for a file of launch.json.
 * QEMU reads a colon in the first part of a relative path as a protocol (`nbd:…`). A leading `./` prevents this.
 * @param base the folder of launch.json; undefined if the launcher runs in it
 */
export function pathFrom(base: string | undefined, path: string): string {
  const whole = base === undefined || isAbsolute(path) ? path : join(base, path);
  return !isAbsolute(whole) && /^[^/]*:/.test(whole) ? `./${whole}` : whole;
}

/** Reports whether a text contains a C0 or C1 control character, or DEL. No launcher passes these on unchanged. */
export function hasControlCharacter(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find
  return /[\u0000-\u001f\u007f-\u009f]/.test(text);
}

/**
 * Returns the text unchanged.
 * @param what the subject of the error message
 * @throws HalError "input" if the text contains a control character
 */
export function refuseControlCharacters(text: string, what: string): string {
  if (hasControlCharacter(text)) {
    throw new HalError("input", `${what} contains a control character: ${JSON.stringify(text)}`, {
      remedy: "remove newlines, tabs and other control characters",
    });
  }
  return text;
}
