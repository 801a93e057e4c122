import { files, isEif, isInitrd } from "../bundle/files.js";
import type { FileDigest } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { parseSize } from "../lib/size.js";
import { firmwarePackages } from "../model/firmware-packages.js";
import type { Launch, Profile } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import type { Platform } from "../model/platforms/platform.js";
import type { Resolved, ResolvedProfile } from "../model/resolved.js";
import { pathKind, placeholder, shareVariable } from "../model/shares.js";
import { nitroArgv } from "./nitro-cli.js";
import { type QemuOptions, qemuArgv } from "./qemu.js";

/** Facts that are known only after a build. */
export interface DescribeOptions {
  readonly backend?: NonNullable<Launch["backend"]>;
  /**
   * The measured firmware or IGVM file. Paths are absolute, or relative to launch.json; digests are hex.
   * Without it, launch.json contains the path of the profile and no digest.
   */
  readonly firmware?: {
    readonly path: string;
    readonly sha256: string;
    readonly packageVersion?: string;
    readonly vars?: { readonly path: string; readonly sha256: string };
  };
}

/**
 * Returns launch.json: everything that a launcher needs to start the image, and the reference measurements that belong to it.
 * The function refuses no setting, because `resolve` already checked them all.
 * @param artifacts name, size in bytes and SHA-256 of every file of the image directory
 * @param cmdline the complete kernel command line, with `roothash=` if the root is verified
 * @throws HalError "input" if the artifacts lack a file that the image boots, or if an enclave has too little memory for its EIF
 */
export function describeLaunch(
  resolved: Resolved,
  artifacts: readonly FileDigest[],
  cmdline: string,
  options: DescribeOptions = {},
): Launch {
  const { profile } = resolved;
  const settings = profile.launch;
  const platform = platforms[resolved.platform];
  const find = (wanted: (name: string) => boolean) => {
    const found = artifacts.find(({ name }) => wanted(name));
    return found === undefined ? undefined : { path: found.name, size: found.size, sha256: found.sha256 };
  };
  const kernel = find((name) => name === files.kernel);
  const initrd = find(isInitrd);
  const eif = find(isEif);
  const disk = find((name) => name === files.disk);
  const boot = platform.starts === "enclave" ? "enclave" : profile.boot === "uki" ? "disk" : "direct";
  const required = <T>(value: T | undefined, name: string): T => {
    if (value === undefined)
      throw new HalError("input", `profile '${resolved.name}' boots ${name}, and the image directory has no such file`);
    return value;
  };
  const firmware = firmwareOf(resolved, options);
  // An IGVM file has no table of hashes. Its vTPM measures kernel, initrd and command line into PCR 4 and PCR 9.
  const kernelHashes = boot === "direct" && firmware?.kind !== "igvm";
  const tee = platform.tee?.describe(withoutDefaultPolicy(resolved), kernelHashes);
  const launch: Omit<Launch, "argv"> = {
    schema: "hal.launch/v1",
    profile: resolved.name,
    platform: platform.name,
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    debug: profile.debug,
    boot,
    machine: platform.machine,
    cpu: cpuOf(settings),
    memory: memoryOf(settings, platform),
    ...(firmware === undefined ? {} : { firmware }),
    ...(boot === "direct" ? { kernel: required(kernel, files.kernel), initrd: required(initrd, "an initrd") } : {}),
    ...(boot === "enclave" ? { ...(kernel && { kernel }), ...(initrd && { initrd }), eif: required(eif, "an EIF") } : {}),
    cmdline,
    drives: disk !== undefined ? [{ id: "disk0", ...disk, format: "raw", snapshot: settings.disk.snapshot }] : [],
    ...(platform.virtio === undefined ? {} : { virtio: platform.virtio }),
    net: { ...platform.net, forwards: settings.forwards },
    ...(settings.vsock === undefined ? {} : { vsock: settings.vsock }),
    shares: settings.shares.map((share) => ({ ...share, variable: shareVariable(share.tag) })),
    monitors: settings.monitors,
    ...(tee === undefined ? {} : { tee }),
    placeholders: settings.shares
      .filter((share) => share.path === undefined)
      .map((share) => ({
        word: placeholder(share),
        means: `${pathKind(share)} of share ${share.tag}`,
      })),
    measurements: {
      file: files.measurements,
      values: platform.registers(tee, firmware),
      holdsFor: {
        ...(firmware?.sha256 === undefined ? {} : { firmware: firmware.sha256 }),
        vcpus: settings.cpus,
        cpuModel: settings.cpuModel,
        memory: parseSize(settings.memory),
        ...(tee?.guestFeatures === undefined ? {} : { guestFeatures: tee.guestFeatures }),
      },
    },
  };
  if (boot === "disk") required(disk, files.disk);
  return { ...launch, argv: [...launchArgv(launch)] };
}

/**
 * Returns the command that starts an image on its own platform: nitro-cli for an enclave, else QEMU.
 * Without a base in the options, the command must run in the folder of launch.json.
 * @throws HalError "input" for the same reasons as `nitroArgv` and `qemuArgv`
 */
export function launchArgv(launch: Omit<Launch, "argv">, options: QemuOptions = {}): readonly string[] {
  return launch.boot === "enclave" ? nitroArgv(launch, options) : qemuArgv(launch, options);
}

/** Removes a guest policy that `resolve` filled in. The command line then contains no policy, and QEMU uses the same default. */
function withoutDefaultPolicy({ profile: { launch }, defaults }: Resolved): Profile["launch"] {
  const { policy, ...rest } = launch;
  return policy === undefined || defaults.has("/launch/policy") ? rest : { ...rest, policy };
}

function cpuOf(settings: ResolvedProfile["launch"]): Launch["cpu"] {
  const { sockets, threads, cpus, maxCpus } = settings;
  const packages = (sockets ?? 1) * (threads ?? 1);
  // The topology of QEMU contains all CPUs, also those that are added later.
  const all = maxCpus ?? cpus;
  return {
    model: settings.cpuModel,
    count: cpus,
    ...(maxCpus === undefined ? {} : { max: maxCpus }),
    ...(sockets === undefined && threads === undefined
      ? {}
      : { topology: { sockets: sockets ?? 1, cores: all / packages, threads: threads ?? 1 } }),
  };
}

function memoryOf(settings: Profile["launch"], platform: Platform): Launch["memory"] {
  const virtiofs = settings.shares.some((share) => share.type === "virtiofs");
  // A vhost-user device reads the guest's memory through a file descriptor, so the memory must be shared.
  const shared = virtiofs ? { share: true } : {};
  const backend = platform.memory ?? (virtiofs ? { id: "ram1", options: {} } : undefined);
  return {
    size: settings.memory,
    bytes: parseSize(settings.memory),
    ...(settings.memorySlots === undefined ? {} : { slots: settings.memorySlots }),
    ...(settings.maxMemory === undefined ? {} : { max: settings.maxMemory }),
    ...(backend === undefined ? {} : { backend: { id: backend.id, options: { ...backend.options, ...shared } } }),
  };
}

function firmwareOf(resolved: Resolved, { firmware: measured }: DescribeOptions): Launch["firmware"] {
  const { firmware, igvm } = resolved.profile.launch;
  const packaged = firmware?.package === undefined ? undefined : firmwarePackages[firmware.package].path;
  const path = measured?.path ?? igvm ?? firmware?.path ?? packaged;
  if (path === undefined) return undefined;
  const vars = measured?.vars ?? (firmware?.vars === undefined ? undefined : { path: firmware.vars });
  return {
    kind: igvm !== undefined ? "igvm" : vars !== undefined ? "pflash" : "bios",
    path,
    ...(measured === undefined ? {} : { sha256: measured.sha256 }),
    ...(firmware?.package === undefined || firmware.path !== undefined ? {} : { package: firmware.package }),
    ...(measured?.packageVersion === undefined ? {} : { packageVersion: measured.packageVersion }),
    ...(vars === undefined ? {} : { vars }),
  };
}
