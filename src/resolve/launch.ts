import { hasControlCharacter } from "../launch/quote.js";
import { HalError, type Location } from "../lib/errors.js";
import { parseSize } from "../lib/size.js";
import { nearestOrigin } from "../load/tree.js";
import { firmwarePackages } from "../model/firmware-packages.js";
import type { Profile } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import { type PlatformName, restrictedKeys } from "../model/platforms/platform.js";
import type { Resolved, ResolvedProfile } from "../model/resolved.js";
import { shareVariable } from "../model/shares.js";

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

const MiB = 2 ** 20;
const MAX_MEMORY_BYTES = 16 * 2 ** 40;
/** Linux PATH_MAX (limits.h), without the NUL at its end. */
const MAX_PATH_BYTES = 4095;

type At = (pointer: string) => Location;

/**
 * Checks before the build that launch.json can describe the image, and that its platform can start it.
 * @throws HalError "input", with the location of the refused setting
 */
export function checkLaunch(resolved: Resolved): void {
  const at: At = (pointer) => nearestOrigin(resolved.origins, pointer);
  for (const check of [checkKeys, checkPlatformRules, checkFirmware, checkCpus, checkMemory, checkShares, checkPaths]) check(resolved, at);
}

function refuse(message: string, at: Location, remedy?: string): never {
  throw new HalError("input", message, { at, ...(remedy === undefined ? {} : { remedy }) });
}

/** Refuses a setting that the platform does not support, because a launcher would ignore it. */
function checkKeys({ profile: { launch }, platform, defaults }: Resolved, at: At): void {
  for (const key of restrictedKeys) {
    const value = launch[key];
    const given = Array.isArray(value) ? value.length > 0 : value !== undefined && !defaults.has(`/launch/${key}`);
    if (!given || platforms[platform].allows.includes(key)) continue;
    const others = Object.values(platforms).flatMap(({ name, allows }) => (allows.includes(key) ? [name] : []));
    refuse(`platform ${platform} does not support launch.${key}`, at(`/launch/${key}`), `remove it; supported by: ${others.join(", ")}`);
  }
}

function checkPlatformRules({ profile: { launch, debug }, platform }: Resolved, at: At): void {
  const refusal = platforms[platform].refusal(launch, debug);
  if (refusal !== undefined) refuse(refusal.message, at(`/launch/${refusal.key}`), refusal.remedy);
}

function checkFirmware({ profile: { launch, boot }, platform, origins }: Resolved, at: At): void {
  const { needsFirmware, flash } = platforms[platform];
  const { igvm, firmware: code } = launch;
  const where = origins.get("/launch/igvm") ?? origins.get("/launch/firmware") ?? at("/platform");
  if (igvm !== undefined && code !== undefined)
    refuse("launch.igvm and launch.firmware exclude each other, because the IGVM file contains the firmware", where, "remove one");
  if (igvm === undefined && code === undefined) {
    if (needsFirmware)
      refuse(
        `platform ${platform} needs firmware that was built for it`,
        where,
        "set launch.firmware: {package: …} or {path: …}, or set launch.igvm",
      );
    if (boot === "uki") refuse("boot: uki needs UEFI firmware", where, "set launch.firmware: {package: ovmf}");
  }
  if (code === undefined) return;
  if (code.vars !== undefined && !flash)
    refuse(`platform ${platform} has no flash for a variable store`, where, "use firmware in one file, without vars");
  if (code.path === undefined && code.package === undefined)
    refuse("launch.firmware contains neither a path nor a package", where, "set launch.firmware: {package: ovmf}");
}

function checkCpus({ profile: { launch } }: Resolved, at: At): void {
  const { cpus, maxCpus, sockets, threads } = launch;
  if (maxCpus !== undefined && maxCpus < cpus) refuse(`launch.maxCpus is ${maxCpus}, less than cpus (${cpus})`, at("/launch/maxCpus"));
  const packages = (sockets ?? 1) * (threads ?? 1);
  const all = maxCpus ?? cpus;
  const key = maxCpus === undefined ? "cpus" : "maxCpus";
  if (all % packages !== 0) refuse(`launch.${key} is ${all}, not a multiple of sockets × threads (${packages})`, at(`/launch/${key}`));
}

function checkMemory({ profile: { launch } }: Resolved, at: At): void {
  const { memory: size, maxMemory, memorySlots } = launch;
  if (parseSize(size) < 64 * MiB) refuse(`launch.memory is ${size}: too small to boot`, at("/launch/memory"), "use at least 64M");
  for (const [key, value] of Object.entries({ memory: size, maxMemory }))
    if (value !== undefined && parseSize(value) > MAX_MEMORY_BYTES)
      refuse(`launch.${key} is ${value}: too large`, at(`/launch/${key}`), "use at most 16T");
  if ((maxMemory === undefined) !== (memorySlots === undefined))
    refuse("launch.maxMemory and launch.memorySlots go together", at("/launch/maxMemory"), "set both or remove both");
  if (maxMemory !== undefined && parseSize(maxMemory) < parseSize(size))
    refuse("launch.maxMemory is less than launch.memory", at("/launch/maxMemory"));
}

/** Refuses two shares with the same variable: `env` and `env_share` both use ENV_PATH. */
function checkShares({ profile: { launch } }: Resolved, at: At): void {
  for (const [index, { tag }] of launch.shares.entries()) {
    const other = launch.shares.slice(0, index).find((before) => shareVariable(before.tag) === shareVariable(tag));
    if (other !== undefined)
      refuse(`shares ${other.tag} and ${tag} use the same variable ${shareVariable(tag)}`, at(`/launch/shares/${index}`), "rename one");
  }
}

/** Refuses paths that launch.json cannot contain. The schema already restricts every other text of `launch`. */
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
