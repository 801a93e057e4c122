import { HalError, type Location } from "./errors.js";

/**
 * One escaper for each language that hal writes. A parser of the language reads the result back as exactly the given
 * text. An escaper throws an error at the text's location if the language cannot represent the text.
 */

/** Text as a Kconfig string of a Buildroot .config, quotes included. */
export function kconfigString(text: string, at: Location): string {
  // Make includes Buildroot's .config: it expands $, and # starts a comment even inside quotes.
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

/** Text as one line of a shell here-document whose delimiter is 'EOF', for `read -r` (XCU 2.7.4). */
export function hereDocumentLine(text: string, at: Location): string {
  refuse(text, /^$|^\s|\s$|^EOF$/, "a line of a here-document", at);
  return oneLine(text, "a line of a here-document", at);
}

/** Text as a double-quoted string of libconfuse, the parser of genimage's configuration. */
export function genimageString(text: string, at: Location): string {
  refuse(text, /\$\{/, "a genimage configuration (it would be read from the environment)", at);
  return `"${oneLine(text, "a genimage configuration", at).replace(/["\\]/g, (c) => `\\${c}`)}"`;
}

/** Text as one field of a Buildroot users or permission table. */
export function tableField(text: string, at: Location): string {
  refuse(text, /^$|^#|\s/, "a field of a Buildroot table", at);
  return oneLine(text, "a field of a Buildroot table", at);
}

/** Returns the text unchanged. Refuses characters that a line cannot contain in any of the languages. */
function oneLine(text: string, language: string, at: Location): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: refuses newline, NUL and other control characters
  refuse(text, /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/, language, at);
  refuse(text, /\p{Surrogate}/u, language, at);
  return text;
}

function refuse(text: string, pattern: RegExp, language: string, at: Location): void {
  const found = pattern.exec(text)?.[0];
  if (found === undefined) return;
  throw new HalError(
    "input",
    `${JSON.stringify(text)} cannot be written in ${language}: it ${found === "" ? "is empty" : `contains ${JSON.stringify(found)}`}`,
    {
      at,
      remedy: "choose another value",
    },
  );
}
