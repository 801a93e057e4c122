import { statSync } from "node:fs";
import { resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { otherType } from "../lib/regular-file.js";
import { firmwarePlaceholder, firmwarePlaceholders } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";

/** Firmware files of the caller. They replace the placeholders of launch.json. */
export interface CallerFirmware {
  readonly code?: string;
  readonly vars?: string;
}

/**
 * Returns launch metadata with the caller's firmware instead of the placeholders. The paths become absolute.
 * @throws HalError "input" for a file that launch.json has no placeholder for, and for a path that is not a regular file
 */
export function withFirmware(launch: Launch, given: CallerFirmware): Launch {
  const { firmware } = launch;
  const filled = {
    ...(firmware && fill(firmware, "code", given.code)),
    ...(firmware?.vars && { vars: fill(firmware.vars, "vars", given.vars) }),
  };
  if (firmware?.vars === undefined && given.vars !== undefined) refuseFile("vars", "it has no variable store of the launcher");
  if (firmware === undefined) {
    if (given.code !== undefined) refuseFile("code", "it starts without firmware of the launcher");
    return launch;
  }
  const words: readonly (string | undefined)[] = [
    given.code && firmwarePlaceholders.code.word,
    given.vars && firmwarePlaceholders.vars.word,
  ];
  return {
    ...launch,
    firmware: { ...firmware, ...filled },
    placeholders: launch.placeholders.filter(({ word }) => !words.includes(word)),
  };
}

function fill<File extends { readonly path: string }>(file: File, key: keyof typeof firmwarePlaceholders, path: string | undefined): File {
  if (path === undefined) return file;
  if (firmwarePlaceholder(file) !== firmwarePlaceholders[key]) refuseFile(key, `it has its own ${firmwarePlaceholders[key].means}`);
  const whole = resolve(path);
  const info = statSync(whole, { throwIfNoEntry: false });
  const why = info === undefined ? "does not exist" : otherType(info);
  if (why !== undefined) throw new HalError("input", why, { at: { file: path }, remedy: "give a regular file" });
  return { ...file, path: whole };
}

function refuseFile(key: keyof typeof firmwarePlaceholders, why: string): never {
  const { option } = firmwarePlaceholders[key];
  throw new HalError("input", `the image needs no ${option}: ${why}`, { remedy: `remove ${option}` });
}

/**
 * Refuses launch metadata whose firmware the caller must still give.
 * @param because why the placeholder does not do
 * @throws HalError "input"
 */
export function requireFirmware({ firmware }: Pick<Launch, "firmware">, because: string): void {
  for (const placeholder of [firmwarePlaceholder(firmware), firmwarePlaceholder(firmware?.vars)])
    if (placeholder !== undefined)
      throw new HalError("input", `the image does not contain its ${placeholder.means}, and ${because}`, {
        remedy: `add ${placeholder.option} FILE`,
      });
}
