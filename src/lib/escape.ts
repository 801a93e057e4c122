import { HalError, type Location } from "./errors.js";

/**
 * One escaper for each language that hal writes. Each returns text that the language reads back as exactly
 * the given text; what a language cannot say is an error at the place where the text was written.
 */

/** Text as a Kconfig string of a Buildroot .config, quotes included. */
export function kconfigString(text: string, at: Location): string {
  // Buildroot's .config is also a makefile: make expands $ and starts a comment at #, quoted or not, and
  // Buildroot's qstrip removes every quote and keeps every backslash.
  refuse(text, /["\\#]/, "Buildroot's .config", at);
  refuse(text, /\$[({]/, "Buildroot's .config (make would expand it)", at);
  return `"${oneLine(text, "a Kconfig string", at).replaceAll("$", "$$$$")}"`;
}

/** Text as the value of a make variable. */
export function makeValue(text: string, at: Location): string {
  refuse(text, /\$[({]/, "a makefile (make would expand it)", at);
  refuse(text, /^\s|\s$|\\$|\\#/, "a makefile", at);
  return oneLine(text, "a makefile", at).replaceAll("$", "$$$$").replaceAll("#", "\\#");
}

/** Text as one word of a POSIX shell script (XCU 2.2.2, single quotes). */
export function shellWord(text: string, at: Location): string {
  const safe = oneLine(text, "a shell script", at);
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", `'\\''`)}'`;
}

/** Text as one field of an fstab line (fstab(5): octal escapes for blanks). */
export function fstabField(text: string, at: Location): string {
  refuse(text, /^$/, "an fstab field", at);
  return oneLine(text, "an fstab field", at).replace(/[ \\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** Text as a double-quoted string of libconfuse, which genimage reads its configuration with. */
export function genimageString(text: string, at: Location): string {
  refuse(text, /\$\{/, "a genimage configuration (it would be read from the environment)", at);
  return `"${oneLine(text, "a genimage configuration", at).replace(/["\\]/g, (c) => `\\${c}`)}"`;
}

/** Text as a setting of a systemd unit (systemd.unit(5): % begins a specifier, a last backslash joins lines). */
export function systemdValue(text: string, at: Location): string {
  refuse(text, /\\$/, "a systemd unit", at);
  return oneLine(text, "a systemd unit", at).replaceAll("%", "%%");
}

/** Text as one field of a Buildroot users or permission table. */
export function tableField(text: string, at: Location): string {
  refuse(text, /^$|^#|\s/, "a field of a Buildroot table", at);
  return oneLine(text, "a field of a Buildroot table", at);
}

/** The text, which one line can hold and every language reads as it is. */
function oneLine(text: string, language: string, at: Location): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: newline, NUL and their like are what must not pass
  refuse(text, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/, language, at);
  refuse(text, /\p{Surrogate}/u, language, at);
  return text;
}

function refuse(text: string, pattern: RegExp, language: string, at: Location): void {
  const found = pattern.exec(text)?.[0];
  if (found === undefined) return;
  throw new HalError(
    "input",
    `${JSON.stringify(text)} cannot be written in ${language}: it has ${found === "" ? "nothing in it" : JSON.stringify(found)}`,
    {
      at,
      remedy: "choose another value",
    },
  );
}
