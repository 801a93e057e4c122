import { chosenSettings } from "../launch/describe.js";
import { hasControlCharacter } from "../launch/quote.js";
import { settingsRefusal } from "../launch/settings.js";
import { HalError, type Location } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import { firmwarePackages } from "../model/firmware-packages.js";
import type { Profile } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { PlatformName } from "../model/platforms/platform.js";
import type { Resolved, ResolvedProfile } from "../model/resolved.js";

/** The source of each default value, such as `platform sev-snp`, by JSON pointer. */
export type Defaults = ReadonlyMap<string, string>;

/**
 * Fills in the values of `launch` that the schema has no default for: CPU model, guest policy, and the suite of a firmware package.
 * @returns the profile, and the source of each value that was filled in
 */
export function withLaunchDefaults(
  profile: Profile,
  name: PlatformName,
): { readonly profile: ResolvedProfile; readonly defaults: Defaults } {
  const platform = platforms[name].defaults;
  const { launch } = profile;
  const defaults = new Map<string, string>();
  const whole = { ...launch, cpuModel: launch.cpuModel ?? platform.cpuModel };
  if (launch.cpuModel === undefined) defaults.set("/launch/cpuModel", `platform ${name}`);
  // The guest policy of an IGVM guest is in the IGVM file.
  if (launch.policy === undefined && launch.igvm === undefined && platform.policy !== undefined) {
    whole.policy = platform.policy;
    defaults.set("/launch/policy", `platform ${name}`);
  }
  const packageName = launch.firmware?.package;
  if (packageName !== undefined && launch.firmware?.suite === undefined) {
    whole.firmware = { ...launch.firmware, suite: firmwarePackages[packageName].suite };
    defaults.set("/launch/firmware/suite", `package ${packageName}`);
  }
  return { profile: { ...profile, launch: whole }, defaults };
}

/** Linux PATH_MAX (limits.h), without the NUL at its end. */
const MAX_PATH_BYTES = 4095;

type At = (pointer: string) => Location;

/**
 * Checks before the build that launch.json can describe the image, and that its platform can start it.
 * @throws HalError "input", with the location of the refused setting
 */
export function checkLaunch(resolved: Resolved): void {
  const at: At = (pointer) => nearestOrigin(resolved.origins, pointer);
  const { profile, platform } = resolved;
  const { firmware, igvm } = profile.launch;
  const settings = { ...chosenSettings(resolved), ...(firmware && { firmware }), ...(igvm !== undefined && { igvm }) };
  const refusal = settingsRefusal({ platform, debug: profile.debug, uki: profile.boot === "uki", settings });
  if (refusal !== undefined) refuse(refusal.message, at(refusal.pointer), refusal.remedy);
  checkPaths(resolved, at);
}

function refuse(message: string, at: Location, remedy?: string): never {
  throw new HalError("input", message, { at, ...(remedy === undefined ? {} : { remedy }) });
}

/** Refuses paths that no launcher accepts. The schema already restricts every other text of `launch`. */
function checkPaths({ profile: { launch } }: Resolved, at: At): void {
  const refusePath = (text: string, where: Location): void => {
    if (hasControlCharacter(text))
      refuse(`the path ${JSON.stringify(text)} contains a control character`, where, "remove newlines, tabs and other control characters");
    if (text.includes("${"))
      refuse(`the path ${text} contains \${, which starts a variable in launch.json`, where, "rename the file or directory");
    if (Buffer.byteLength(text) > MAX_PATH_BYTES)
      refuse(`the path ${text.slice(0, 40)}… is too long`, where, `use at most ${MAX_PATH_BYTES} bytes`);
  };
  const visit = (value: unknown, pointer: string): void => {
    if (typeof value === "string") refusePath(value, at(pointer));
    if (typeof value === "object" && value !== null) for (const [key, part] of Object.entries(value)) visit(part, `${pointer}/${key}`);
  };
  visit(launch, "/launch");
}
