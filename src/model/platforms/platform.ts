import type { EventLogKind } from "../../codecs/eventlog.js";
import type { Launch, Measurements, Profile } from "../generated.js";

/** A platform's name, as a profile writes it. */
export type PlatformName = NonNullable<Profile["platform"]>;

/** Who reports a register, as measurements.json names it: a platform, a variant of one (`sev-es`), or a vTPM. */
export type MeasuredPlatform = Measurements["values"][number]["platform"];

export type LaunchSettings = Profile["launch"];
export type Tee = NonNullable<Launch["tee"]>;

/** Why something cannot be done, and what to do instead. */
export interface Objection {
  readonly message: string;
  readonly remedy: string;
}

/** Keys of `launch` that only some platforms have. */
export const restrictedKeys = [
  "firmware",
  "forwards",
  "hostData",
  "igvm",
  "monitors",
  "policy",
  "quoteGenerationSocket",
  "shares",
] as const;
type RestrictedKey = (typeof restrictedKeys)[number];

/** A QEMU `-object`: written as `TYPE,key=value,…`, or as JSON where a value is itself an object. */
export interface QemuObject {
  readonly type: string;
  readonly form: "options" | "json";
  readonly properties: Readonly<Record<string, QemuValue>>;
}
type QemuValue = string | number | boolean | undefined | Readonly<Record<string, string>>;

/** libvirt's `<launchSecurity>` (libvirt.org/formatdomain.html, "Launch Security"); an element without text is empty. */
export interface LaunchSecurity {
  readonly attributes: Readonly<Record<string, string | undefined>>;
  readonly elements: Readonly<Record<string, string | number | undefined>>;
}

/** Settings of Cocos Manager without their prefix `MANAGER_QEMU_` (manager/qemu/config.go). */
export type CocosSettings = Readonly<Record<string, string | number | boolean | undefined>>;

/** What Cocos Manager makes of a guest of this platform. */
export interface CocosRules {
  /** Why the manager would start another guest than launch.json describes. */
  readonly objection: (launch: Launch) => Objection | undefined;
  readonly settings: (tee: Launch["tee"]) => CocosSettings;
  /** The manager starts it from flash with a variable store, and from no other firmware. */
  readonly startsFromFlash: boolean;
  /** A comment line for the operator. */
  readonly note?: string;
}

/** The TEE of a platform in the words of each launcher. */
export interface TeeRules {
  /**
   * The TEE object of launch.json.
   * @param kernelHashes the firmware checks kernel, initrd and command line against hashes that are measured
   */
  readonly describe: (settings: LaunchSettings, kernelHashes: boolean) => Tee;
  readonly qemu: (tee: Tee) => QemuObject;
  readonly libvirt: (tee: Tee) => LaunchSecurity | Objection;
  /** The processor checks a signed ID block over this digest; `policy` holds where launch.json has none. */
  readonly idBlock: { readonly digestOf: MeasuredPlatform; readonly policy: string } | undefined;
}

/** The attestation evidence of a platform, and which of its fields holds each register. */
export interface EvidenceRules {
  readonly kind: string;
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * Everything that hal knows about one platform. A platform is one file in this folder and one row in index.ts; no other
 * code asks for a platform by name.
 */
export interface Platform {
  readonly name: PlatformName;
  /** Hardware keeps the host out of the guest's memory. */
  readonly confidential: boolean;
  /** `machine`: QEMU starts a kernel or a disk. `enclave`: a hypervisor starts an enclave image file and nothing else. */
  readonly starts: "machine" | "enclave";
  /** QEMU's program for the platform's architecture. */
  readonly emulator: string;
  /** Values of `launch` that `resolve` fills in where the profile has none. */
  readonly defaults: { readonly cpuModel: string; readonly policy?: string };
  readonly machine: Launch["machine"];
  /** Options of the memfd backend: what the TEE's private memory is taken from. */
  readonly memory: Launch["memory"]["backend"];
  readonly virtio: Launch["virtio"];
  readonly net: { readonly id: string; readonly rom?: boolean };
  /** QEMU accepts flash with a variable store. */
  readonly flash: boolean;
  /** It starts only with firmware that was made for it. */
  readonly needsFirmware: boolean;
  /** The restricted keys that it has. */
  readonly allows: readonly RestrictedKey[];
  /** What is wrong with a value of `launch` on this platform. */
  readonly objection: (settings: LaunchSettings, debug: boolean) => (Objection & { readonly key: keyof LaunchSettings }) | undefined;
  /** Undefined for a platform without a TEE object. */
  readonly tee: TeeRules | undefined;
  readonly cocos: CocosRules;
  /**
   * What QEMU does to the setup header of a kernel given by `-kernel`: fills it in (`plain`), leaves it alone (`sev`), or
   * leaves it alone since QEMU 10.2 (`tdx`).
   */
  readonly kernelHeader: "plain" | "sev" | "tdx";
  /** What `hal measure` predicts for it. */
  readonly measures: readonly MeasuredPlatform[];
  /** The registers that belong to one launch. */
  readonly registers: (tee: Launch["tee"], firmware: Launch["firmware"]) => Launch["measurements"]["values"];
  /** The firmware's event log, and who reports the registers that it explains; undefined where there is none. */
  readonly eventLog: { readonly kind: EventLogKind; readonly of: MeasuredPlatform } | undefined;
  readonly evidence: EvidenceRules | undefined;
  /** Why no image for it may be released. */
  readonly unreleasable: string | undefined;
  /** What to do instead where no register covers what the firmware boots from a disk; undefined where one does. */
  readonly unmeasuredDisk: (settings: LaunchSettings) => string | undefined;
}
