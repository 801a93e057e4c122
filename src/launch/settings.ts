import { parseSize } from "../lib/size.js";
import { platforms } from "../model/platforms/index.js";
import { type LaunchSettings, type PlatformName, restrictedKeys } from "../model/platforms/platform.js";
import { shareVariable } from "../model/shares.js";

/** The launch settings of a profile, or those that a launch.json contains. */
export interface CheckedSettings {
  readonly platform: PlatformName;
  readonly debug: boolean;
  /** The firmware boots a unified kernel image from the disk. */
  readonly uki: boolean;
  /** Without values that hal filled in. */
  readonly settings: LaunchSettings;
}

/** Why hal refuses launch settings. */
export interface SettingsRefusal {
  /** JSON pointer of the refused value in a profile, such as `/launch/policy`. */
  readonly pointer: string;
  readonly message: string;
  readonly remedy?: string;
}

const MiB = 2 ** 20;
const MAX_MEMORY_BYTES = 16 * 2 ** 40;

/**
 * Returns the first reason why the platform cannot or must not start an image with these settings; undefined if there is none. The build
 * asks this about a profile, and `judgeLaunch` about a launch.json, so both refuse the same settings.
 */
export function settingsRefusal(checked: CheckedSettings): SettingsRefusal | undefined {
  for (const refusal of [keys, platformRules, firmware, cpus, memory, shares]) {
    const found = refusal(checked);
    if (found !== undefined) return found;
  }
  return undefined;
}

type Check = (checked: CheckedSettings) => SettingsRefusal | undefined;

function refuse(pointer: string, message: string, remedy?: string): SettingsRefusal {
  return { pointer, message, ...(remedy === undefined ? {} : { remedy }) };
}

/** A setting that the platform does not support: a launcher would ignore it. */
const keys: Check = ({ settings, platform }) => {
  for (const key of restrictedKeys) {
    const value = settings[key];
    const given = Array.isArray(value) ? value.length > 0 : value !== undefined;
    if (!given || platforms[platform].allows.includes(key)) continue;
    const others = Object.values(platforms).flatMap(({ name, allows }) => (allows.includes(key) ? [name] : []));
    return refuse(`/launch/${key}`, `platform ${platform} does not support launch.${key}`, `remove it; supported by: ${others.join(", ")}`);
  }
  return undefined;
};

const platformRules: Check = ({ settings, debug, platform }) => {
  const refusal = platforms[platform].refusal(settings, debug);
  return refusal && refuse(`/launch/${refusal.key}`, refusal.message, refusal.remedy);
};

const firmware: Check = ({ settings: { igvm, firmware: code }, uki, platform }) => {
  const { needsFirmware, flash } = platforms[platform];
  const where = igvm !== undefined ? "/launch/igvm" : code !== undefined ? "/launch/firmware" : "/platform";
  if (igvm !== undefined && code !== undefined)
    return refuse(where, "launch.igvm and launch.firmware exclude each other, because the IGVM file contains the firmware", "remove one");
  if (igvm === undefined && code === undefined) {
    if (needsFirmware)
      return refuse(
        where,
        `platform ${platform} needs firmware that was built for it`,
        "set launch.firmware: {package: …} or {path: …}, or set launch.igvm",
      );
    if (uki) return refuse(where, "boot: uki needs UEFI firmware", "set launch.firmware: {package: ovmf}");
  }
  if (code === undefined) return undefined;
  if (code.vars !== undefined && !flash)
    return refuse(where, `platform ${platform} has no flash for a variable store`, "use firmware in one file, without vars");
  if (code.path === undefined && code.package === undefined)
    return refuse(where, "launch.firmware contains neither a path nor a package", "set launch.firmware: {package: ovmf}");
  return undefined;
};

const cpus: Check = ({ settings: { cpus: count, maxCpus, sockets, threads } }) => {
  if (maxCpus !== undefined && maxCpus < count) return refuse("/launch/maxCpus", `launch.maxCpus is ${maxCpus}, less than cpus (${count})`);
  const packages = (sockets ?? 1) * (threads ?? 1);
  const all = maxCpus ?? count;
  const key = maxCpus === undefined ? "cpus" : "maxCpus";
  return all % packages === 0
    ? undefined
    : refuse(`/launch/${key}`, `launch.${key} is ${all}, not a multiple of sockets × threads (${packages})`);
};

const memory: Check = ({ settings: { memory: size, maxMemory, memorySlots } }) => {
  if (parseSize(size) < 64 * MiB) return refuse("/launch/memory", `launch.memory is ${size}: too small to boot`, "use at least 64M");
  for (const [key, value] of Object.entries({ memory: size, maxMemory }))
    if (value !== undefined && parseSize(value) > MAX_MEMORY_BYTES)
      return refuse(`/launch/${key}`, `launch.${key} is ${value}: too large`, "use at most 16T");
  if ((maxMemory === undefined) !== (memorySlots === undefined))
    return refuse("/launch/maxMemory", "launch.maxMemory and launch.memorySlots go together", "set both or remove both");
  if (maxMemory !== undefined && parseSize(maxMemory) < parseSize(size))
    return refuse("/launch/maxMemory", "launch.maxMemory is less than launch.memory");
  return undefined;
};

/** Two shares with the same variable: `env` and `env_share` both use ENV_PATH. */
const shares: Check = ({ settings }) => {
  for (const [index, { tag }] of settings.shares.entries()) {
    const other = settings.shares.slice(0, index).find((before) => shareVariable(before.tag) === shareVariable(tag));
    if (other !== undefined)
      return refuse(`/launch/shares/${index}`, `shares ${other.tag} and ${tag} use the same variable ${shareVariable(tag)}`, "rename one");
  }
  return undefined;
};
