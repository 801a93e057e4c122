import type { FileDigest } from "../lib/digest.js";
import { HalError } from "../lib/errors.js";
import { parseSize } from "../lib/size.js";
import type { Launch, Profile } from "../model/generated.js";
import { type Platform, platforms } from "../model/platforms/index.js";
import type { Resolved } from "../model/resolved.js";
import { launchArgv } from "./argv.js";
import { packagedFirmware } from "./packaged-firmware.js";
import { checkSettings } from "./settings.js";
import { placeholder, shareVariable } from "./shares.js";

/** What only the build knows. */
export interface DescribeOptions {
  readonly backend?: NonNullable<Launch["backend"]>;
  /**
   * The firmware (or IGVM) file that was measured: its path, relative to launch.json or absolute, and digest.
   * Without it, launch.json names the file that the profile names and has no digest.
   */
  readonly firmware?: {
    readonly path: string;
    readonly sha256: string;
    readonly packageVersion?: string;
    readonly vars?: { readonly path: string; readonly sha256: string };
  };
  /** SEV-SNP: ID block and ID authentication information, base64, signed over the predicted launch digest. */
  readonly idBlock?: { readonly idBlock: string; readonly idAuth: string };
}

/** Names of the initrd among the artifacts: the whole root (ram), or what early boot needs (verity). */
const INITRD_NAMES = /^(rootfs|initramfs)\.cpio(\.gz|\.zst)?$/;

/**
 * Everything needed to start the image, and which reference measurements belong to exactly this combination.
 * @param artifacts name, size in bytes and SHA-256 of every file of the output directory
 * @param cmdline the complete kernel command line, with `roothash=` where the root is verified
 * @throws HalError "input" where the profile asks for what the platform cannot do, or an artifact is missing
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
  checkSettings(resolved);
  const find = (wanted: (name: string) => boolean) => {
    const found = artifacts.find(({ name }) => wanted(name));
    return found === undefined ? undefined : { path: found.name, size: found.size, sha256: found.sha256 };
  };
  const kernel = find((name) => name === "bzImage");
  const initrd = find((name) => INITRD_NAMES.test(name));
  const eif = find((name) => name.endsWith(".eif"));
  const disk = find((name) => name === "disk.img");
  const boot = eif !== undefined ? "enclave" : profile.boot === "uki" ? "disk" : "direct";
  const need = <T>(value: T | undefined, name: string): T => {
    if (value === undefined) throw new HalError("input", `profile '${resolved.name}' boots ${name}, which is not among the artifacts`);
    return value;
  };
  const firmware = firmwareOf(resolved, platform, options);
  const tee = teeOf(resolved, platform, boot, firmware, options);
  const launch: Omit<Launch, "argv"> = {
    schema: "hal.launch/v1",
    profile: resolved.name,
    platform: platform.name,
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    debug: profile.debug,
    boot,
    machine: platform.machine,
    cpu: cpuOf(settings, platform),
    memory: memoryOf(settings, platform),
    ...(firmware === undefined ? {} : { firmware }),
    ...(boot === "direct" ? { kernel: need(kernel, "bzImage"), initrd: need(initrd, "an initrd") } : {}),
    ...(boot === "enclave" ? { ...(kernel && { kernel }), ...(initrd && { initrd }), eif: need(eif, "an EIF") } : {}),
    cmdline,
    drives: boot !== "enclave" && disk !== undefined ? [{ id: "disk0", ...disk, format: "raw", snapshot: settings.disk.snapshot }] : [],
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
        means: `${share.type === "9p" ? "directory" : "virtiofsd socket"} of share ${share.tag}`,
      })),
    measurements: {
      file: "measurements.json",
      values: platform.registers(tee, firmware).map(({ platform: name, registers }) => ({ platform: name, registers: [...registers] })),
      holdsFor: {
        ...(firmware?.sha256 === undefined ? {} : { firmware: firmware.sha256 }),
        vcpus: settings.cpus,
        cpuModel: settings.cpuModel ?? platform.cpuModel,
        memory: parseSize(settings.memory),
        ...(tee?.guestFeatures === undefined ? {} : { guestFeatures: tee.guestFeatures }),
      },
    },
  };
  if (boot === "disk") need(disk, "disk.img");
  refuseSameVariable(launch.shares);
  return { ...launch, argv: [...launchArgv(launch)] };
}

/** `env` and `env_share` would both be asked for as ENV_PATH. */
function refuseSameVariable(shares: Launch["shares"]): void {
  for (const [index, share] of shares.entries()) {
    const other = shares.slice(0, index).find(({ variable }) => variable === share.variable);
    if (other !== undefined)
      throw new HalError("input", `shares ${other.tag} and ${share.tag} both become the variable ${share.variable}`, {
        remedy: "rename one",
      });
  }
}

function cpuOf(settings: Profile["launch"], platform: Platform): Launch["cpu"] {
  const { sockets, threads, cpus, maxCpus } = settings;
  const packages = (sockets ?? 1) * (threads ?? 1);
  // QEMU lays out every CPU that there may be, and starts with the first of them.
  const all = maxCpus ?? cpus;
  if (all % packages !== 0) {
    const name = maxCpus === undefined ? "cpus" : "maxCpus";
    throw new HalError("input", `launch.${name} is ${all}, not a multiple of sockets × threads (${packages})`);
  }
  return {
    model: settings.cpuModel ?? platform.cpuModel,
    count: cpus,
    ...(maxCpus === undefined ? {} : { max: maxCpus }),
    ...(sockets === undefined && threads === undefined
      ? {}
      : { topology: { sockets: sockets ?? 1, cores: all / packages, threads: threads ?? 1 } }),
  };
}

function memoryOf(settings: Profile["launch"], platform: Platform): Launch["memory"] {
  const virtiofs = settings.shares.some((share) => share.type === "virtiofs");
  // vhost-user devices read the guest's memory through a file descriptor, so it must be shared.
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

function firmwareOf(resolved: Resolved, platform: Platform, { firmware: measured }: DescribeOptions): Launch["firmware"] {
  const { firmware, igvm } = resolved.profile.launch;
  const at = resolved.origins.get("/launch/igvm") ?? resolved.origins.get("/launch/firmware") ?? resolved.origins.get("/platform");
  const refuse = (message: string, remedy: string): never => {
    throw new HalError("input", message, { remedy, ...(at === undefined ? {} : { at }) });
  };
  if (igvm !== undefined && platform.name !== "sev-snp")
    refuse(`platform ${platform.name} does not start from an IGVM file`, "use launch.firmware");
  if (igvm !== undefined && firmware !== undefined)
    refuse("launch.igvm and launch.firmware exclude each other: the IGVM file holds the firmware", "remove one");
  if (igvm === undefined && firmware === undefined) {
    if (platform.needsFirmware)
      refuse(`platform ${platform.name} needs firmware that was made for it`, "launch.firmware: {package: …} or {path: …}, or launch.igvm");
    if (resolved.profile.boot === "uki") refuse("boot: uki needs UEFI firmware", "launch.firmware: {package: ovmf}");
    return undefined;
  }
  if (firmware?.vars !== undefined && !platform.flash)
    refuse(`platform ${platform.name} has no flash for a variable store`, "firmware in one file, without vars");
  const path =
    measured?.path ?? igvm ?? firmware?.path ?? (firmware?.package === undefined ? undefined : packagedFirmware[firmware.package]);
  if (path === undefined) return refuse("launch.firmware names neither a path nor a package", "launch.firmware: {package: ovmf}");
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

function teeOf(
  resolved: Resolved,
  platform: Platform,
  boot: Launch["boot"],
  firmware: Launch["firmware"],
  { idBlock }: DescribeOptions,
): Launch["tee"] {
  if (platform.tee === undefined) return undefined;
  const settings = resolved.profile.launch;
  if (platform.tee.type === "tdx") {
    return {
      ...platform.tee,
      ...(settings.quoteGenerationSocket === undefined ? {} : { quoteGenerationSocket: settings.quoteGenerationSocket }),
    };
  }
  const snp = platform.tee.type === "sev-snp";
  return {
    ...platform.tee,
    cbitpos: settings.cbitpos,
    reducedPhysBits: settings.reducedPhysBits,
    ...(settings.policy === undefined ? {} : { policy: settings.policy }),
    // An IGVM file has no hashes table: there the vTPM's PCR4 and PCR9 tell kernel, initrd and command line.
    ...(boot === "direct" && firmware?.kind !== "igvm" ? { kernelHashes: true } : {}),
    ...(snp ? { guestFeatures: settings.guestFeatures } : {}),
    ...(snp && settings.hostData !== undefined ? { hostData: settings.hostData } : {}),
    ...(snp && idBlock !== undefined ? idBlock : {}),
  };
}
