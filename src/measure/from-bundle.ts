import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readLaunch } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import { HalError } from "../lib/errors.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { MeasuredPlatform } from "../model/platforms/platform.js";
import type { MeasureRequest } from "./request.js";

/** Of Debian's stable release: what a launcher has unless it says otherwise. Every value that depends on them says so. */
const defaults = { qemuVersion: "10.0", firmwareVersion: "2025.02" } as const;

/** The request that measures an output directory as its launch.json starts it. */
export async function requestOf(dir: string, only?: MeasuredPlatform): Promise<MeasureRequest> {
  return launchRequest(await readLaunch(dir), resolve(dir), only);
}

/**
 * The same from launch metadata in memory.
 * @param base the folder that its relative paths start from
 */
export function launchRequest(launch: Launch, base: string, only?: MeasuredPlatform): MeasureRequest {
  const file = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(base, path));
  const { measures, kernelHeader } = platforms[launch.platform];
  const wanted = only === undefined ? measures : [only];
  // The profile may name a file of the launching host that is not here: then the digest is not predicted, and says so.
  const present = (path: string | undefined): string | undefined => (path !== undefined && existsSync(path) ? path : undefined);
  const firmware = present(file(launch.firmware?.path));
  const igvm = launch.firmware?.kind === "igvm" ? firmware : undefined;
  const kernel = file(launch.kernel?.path);
  const initrd = file(launch.initrd?.path);
  const eif = file(launch.eif?.path);
  const disk = launch.boot === "disk" ? join(base, files.disk) : undefined;
  const optional = {
    firmware: igvm === undefined ? firmware : undefined,
    igvm,
    vars: present(file(launch.firmware?.vars?.path)),
    // Firmware that is here tells its own release.
    firmwareVersion:
      launch.firmware?.packageVersion ?? (firmware === undefined || igvm !== undefined ? defaults.firmwareVersion : undefined),
    kernel,
    cmdline: launch.cmdline,
    eif,
    disk,
    uki: launch.boot === "disk" ? file(files.uki) : undefined,
    cpuModel: launch.cpu.model,
    guestFeatures: launch.tee?.guestFeatures,
    memory: launch.memory.size,
    qemuVersion: defaults.qemuVersion,
  };
  if (wanted.length === 0) throw new HalError("input", `nothing is measured on platform ${launch.platform}`);
  return {
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as Partial<MeasureRequest>),
    platforms: wanted,
    initrds: initrd === undefined ? [] : [initrd],
    vcpus: [launch.cpu.count],
    boot: launch.boot === "disk" ? "uki-disk" : "direct",
    nativeZero: false,
    guest: kernelHeader,
  };
}
