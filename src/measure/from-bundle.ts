import { isAbsolute } from "node:path";
import { files } from "../bundle/files.js";
import { imageFile } from "../bundle/open.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { MeasuredPlatform } from "../model/platforms/platform.js";
import type { MeasureRequest } from "./request.js";

/** The releases in Debian stable. hal assumes them if launch.json contains none. Each predicted value names them in `holdsFor`. */
const defaults = { qemuVersion: "10.0", firmwareVersion: "2025.02" } as const;

/**
 * Returns the request that measures an image as its launch metadata starts it.
 * @param base the folder of launch.json, which relative paths start from
 * @param only measures only this source of registers; without it, all sources of the platform
 * @throws HalError "input" for a file that is not a regular file of the directory
 */
export function launchRequest(launch: Launch, base: string, only?: MeasuredPlatform): MeasureRequest {
  // A file of the image directory, or one of the caller, which has an absolute path.
  const file = (path: string | undefined): string | undefined => (path === undefined || isAbsolute(path) ? path : imageFile(base, path));
  const { measures, kernelHeader } = platforms[launch.platform];
  const wanted = only === undefined ? measures : [only];
  // Firmware that the launcher gives is not here. hal then reports the digest as not predicted.
  const given = (described: { readonly path: string } | undefined): string | undefined =>
    firmwarePlaceholder(described) === undefined ? file(described?.path) : undefined;
  const firmware = given(launch.firmware);
  const igvm = launch.firmware?.kind === "igvm" ? firmware : undefined;
  const kernel = file(launch.kernel?.path);
  const initrd = file(launch.initrd?.path);
  const eif = file(launch.eif?.path);
  const disk = launch.boot === "disk" ? file(files.disk) : undefined;
  const optional = {
    firmware: igvm === undefined ? firmware : undefined,
    igvm,
    vars: given(launch.firmware?.vars),
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
