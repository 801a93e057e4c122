import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readLaunch } from "../bundle/documents.js";
import { files } from "../bundle/files.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { MeasuredPlatform } from "../model/platforms/platform.js";
import type { MeasureRequest } from "./request.js";

/** The releases in Debian stable. hal assumes them if launch.json contains none. Each predicted value names them in `holdsFor`. */
const defaults = { qemuVersion: "10.0", firmwareVersion: "2025.02" } as const;

/**
 * Returns the request that measures an image directory as its launch.json starts it.
 * @param only measures only this source of registers; without it, all sources of the platform
 * @throws HalError "input" if launch.json is missing or invalid
 */
export async function requestOf(dir: string, only?: MeasuredPlatform): Promise<MeasureRequest> {
  return launchRequest(await readLaunch(dir), resolve(dir), only);
}

/**
 * Returns the request that measures an image as its launch metadata starts it.
 * @param base the folder of launch.json, which relative paths start from
 * @param only measures only this source of registers; without it, all sources of the platform
 */
export function launchRequest(launch: Launch, base: string, only?: MeasuredPlatform): MeasureRequest {
  const file = (path: string | undefined): string | undefined => (path === undefined ? undefined : resolve(base, path));
  const { measures, kernelHeader } = platforms[launch.platform];
  const wanted = only === undefined ? measures : [only];
  // The firmware path of a profile may exist only on the launching host. Without the file, hal reports the digest as not predicted.
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
    // The release of a firmware file that exists here is read from the file.
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
