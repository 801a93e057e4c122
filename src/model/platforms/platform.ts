import type { EventLogKind } from "../../codecs/eventlog.js";
import type { Launch, Measurements, Profile } from "../generated.js";

/** The name of a platform, as a profile writes it. */
export type PlatformName = NonNullable<Profile["platform"]>;

/** The source of a register, as measurements.json names it: a platform, a variant of one (`sev-es`), or a vTPM. */
export type MeasuredPlatform = Measurements["values"][number]["platform"];

/** A field of the evidence that a verifier must check, because no register covers it. */
export type Expectation = Measurements["expect"][number];

export type LaunchSettings = Profile["launch"];
export type Tee = NonNullable<Launch["tee"]>;

/** Why hal refuses something, and what the user can do instead. */
export interface Refusal {
  readonly message: string;
  readonly remedy: string;
}

/** A refused value of `launch`, with its key. */
export interface LaunchRefusal extends Refusal {
  readonly key: keyof LaunchSettings;
}

/** Keys of `launch` that only some platforms support. */
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

/** An `-object` of QEMU. `form` selects its syntax: `TYPE,key=value,…` or JSON. A value that is an object needs JSON. */
export interface QemuObject {
  readonly type: string;
  readonly form: "options" | "json";
  readonly properties: Readonly<Record<string, QemuValue>>;
}
type QemuValue = string | number | boolean | undefined | Readonly<Record<string, string>>;

/** libvirt's `<launchSecurity>` element (libvirt.org/formatdomain.html, "Launch Security"). The text "" makes an empty element. */
export interface LaunchSecurity {
  readonly attributes: Readonly<Record<string, string | undefined>>;
  readonly elements: Readonly<Record<string, string | number | undefined>>;
}

/** Settings of Cocos Manager without their prefix `MANAGER_QEMU_` (manager/qemu/config.go). */
export type CocosSettings = Readonly<Record<string, string | number | boolean | undefined>>;

/** How Cocos Manager starts a guest of one platform. */
export interface CocosRules {
  /** Why the manager would start a different guest than launch.json describes; undefined if it would not. */
  readonly refusal: (launch: Launch) => Refusal | undefined;
  readonly settings: (tee: Launch["tee"]) => CocosSettings;
  /** The manager starts the guest only from flash with a variable store. */
  readonly startsFromFlash: boolean;
  /** A comment for the operator, without `#`. */
  readonly note?: string;
}

/** How each launcher configures the TEE of one platform. */
export interface TeeRules {
  /**
   * Returns the TEE object of launch.json.
   * @param kernelHashes whether the firmware checks kernel, initrd and command line against measured hashes
   */
  readonly describe: (settings: LaunchSettings, kernelHashes: boolean) => Tee;
  readonly qemu: (tee: Tee) => QemuObject;
  readonly libvirt: (tee: Tee) => LaunchSecurity | Refusal;
  /**
   * How to sign an ID block; undefined if the processor checks none. The signature covers the launch digest of `digestOf`.
   * `policy` is the guest policy if launch.json contains none.
   */
  readonly idBlock: { readonly digestOf: MeasuredPlatform; readonly policy: string } | undefined;
}

/** The attestation evidence of a platform, and the field of it that contains each register. */
export interface EvidenceRules {
  readonly kind: string;
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * Everything that hal knows about one platform. Each platform has one file in this folder and one row in index.ts.
 * No other code compares the name of a platform.
 */
export interface Platform {
  readonly name: PlatformName;
  /** Whether hardware protects the guest's memory from the host. */
  readonly confidential: boolean;
  /** `machine`: QEMU boots a kernel or a disk. `enclave`: a hypervisor boots an enclave image file. */
  readonly starts: "machine" | "enclave";
  /** The program of QEMU for the platform's architecture. */
  readonly emulator: string;
  /** Values of `launch` that `resolve` fills in if the profile has none. */
  readonly defaults: { readonly cpuModel: string; readonly policy?: string };
  readonly machine: Launch["machine"];
  /** The memfd backend that provides the TEE's private memory; undefined if the platform uses ordinary memory. */
  readonly memory: Launch["memory"]["backend"];
  readonly virtio: Launch["virtio"];
  readonly net: { readonly id: string; readonly rom?: boolean };
  /** Whether QEMU accepts firmware in flash with a variable store. */
  readonly flash: boolean;
  /** Whether the platform starts only with firmware that was built for it. */
  readonly needsFirmware: boolean;
  /** The restricted keys of `launch` that the platform supports. */
  readonly allows: readonly RestrictedKey[];
  /**
   * Why the platform refuses a value of `launch`, and the key of that value; undefined if it refuses none.
   * @param settings those of a profile, or those that a launch.json contains
   * @param debug whether the image has `debug: true`
   */
  readonly refusal: (settings: LaunchSettings, debug: boolean) => LaunchRefusal | undefined;
  /** Undefined if the platform has no TEE object. */
  readonly tee: TeeRules | undefined;
  readonly cocos: CocosRules;
  /**
   * How QEMU handles the setup header of a kernel given by `-kernel`. `plain`: QEMU fills it in. `sev`: QEMU does not change it.
   * `tdx`: QEMU does not change it since release 10.2.
   */
  readonly kernelHeader: "plain" | "sev" | "tdx";
  /** The sources of registers that `hal measure` predicts for the platform. */
  readonly measures: readonly MeasuredPlatform[];
  /** The registers that one launch reports. */
  readonly registers: (tee: Launch["tee"], firmware: Launch["firmware"]) => Launch["measurements"]["values"];
  /** What else must hold in the evidence of one launch. */
  readonly expect: (launch: Omit<Launch, "argv">) => readonly Expectation[];
  /** The firmware's event log, and the source of the registers that it explains; undefined if the firmware writes none. */
  readonly eventLog: { readonly kind: EventLogKind; readonly of: MeasuredPlatform } | undefined;
  readonly evidence: EvidenceRules | undefined;
  /** Whether a register covers the ACPI tables, which the host writes, so that a verifier sees other tables. */
  readonly coversTables: (settings: LaunchSettings) => boolean;
  /** Why hal refuses to release images for the platform; undefined if it releases them. */
  readonly unreleasable: string | undefined;
  /** A remedy if no register covers the disk that the firmware boots; undefined if a register covers it. */
  readonly unmeasuredDisk: (settings: LaunchSettings) => string | undefined;
}
