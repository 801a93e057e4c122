import type { Location } from "../lib/errors.js";
import type { Feature, Layout, Manifest, Profile } from "./generated.js";

/** Where kernel and root tree come from. */
export type BackendName = Manifest["backend"];

/** A Kconfig symbol that a profile, a feature or hal requests, and the location of the request. */
export interface SymbolRequest {
  readonly symbol: string;
  /** As a .config writes it: `y`, `m`, `n` (meaning `# X is not set`), a number, or a string in quotes. */
  readonly value: string;
  readonly at: Location;
  /** The source of the request, for messages and comments: `profile sev-snp`, `feature docker`, `hal (init: systemd)`. */
  readonly by: string;
  /** The purpose of the symbol, where the source of the request does not show it. */
  readonly why?: string;
}

/** A kernel configuration fragment of hal, of a feature, or of the user. */
export interface KernelFragment {
  /** File name without extension: `01-base`, `feature-docker`, `profile`. */
  readonly name: string;
  readonly requests: readonly SymbolRequest[];
  /** The text of the file, with its comments; undefined for the `kernel.config` of a feature or the profile. */
  readonly text?: string;
}

/** One file of the image, with its contents. */
export interface ResolvedFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly mode: number;
  readonly owner: string;
  readonly group: string;
  /** Target of a symbolic link, which has no content. */
  readonly link?: string;
  readonly at: Location;
}

export interface ResolvedUnit {
  readonly name: string;
  readonly content: string;
  readonly enable: boolean;
  readonly at: Location;
}

/** A file or a symbolic link below a directory. Its path is relative, with forward slashes. */
export interface TreeFile {
  readonly path: string;
  /** Empty for a link. */
  readonly content: Uint8Array;
  readonly mode: number;
  /** Target of a symbolic link. */
  readonly link?: string;
  /** The file of this machine that it was read from, for messages. */
  readonly from?: string;
}

/** What the profile or one of its features puts into the root. */
export interface RootPart {
  /** The feature's name; undefined for the profile itself. */
  readonly feature?: string;
  /** The contents of the overlays, in the order in which they are applied. */
  readonly overlayFiles: readonly TreeFile[];
  readonly files: readonly ResolvedFile[];
  readonly users: Profile["users"];
  readonly units: readonly ResolvedUnit[];
  /** Units of packages to enable. */
  readonly enable: readonly string[];
  /** Kernel modules to load. */
  readonly modules: readonly string[];
}

/** One GPT partition of disk.img, in disk order. */
export interface Partition {
  readonly name: "esp" | "root" | "verity" | "rw" | "swap";
  /** Discoverable Partitions Specification type GUID, lower case. */
  readonly type: string;
  /** PARTUUID, lower case, computed from the names of the profile and the partition. */
  readonly uuid: string;
  /** Bytes; undefined if the size of the image file decides (esp). */
  readonly size: number | undefined;
}

/** A profile with all defaults, also those of the platform. */
export type ResolvedProfile = Profile & { readonly launch: { readonly cpuModel: string } };

/**
 * One resolved image: the input of every later stage. No later stage reads YAML or applies a default.
 * The lists already contain the parts of all features. Host paths are absolute.
 */
export interface Resolved {
  readonly name: string;
  /** The merged profile with all defaults; `hal show` prints it. */
  readonly profile: ResolvedProfile;
  /** The layout with the profile's layoutOptions applied. */
  readonly layout: Layout;
  readonly features: readonly Feature[];
  readonly platform: NonNullable<Profile["platform"]>;
  readonly partitions: readonly Partition[];
  /** Kernel parameters without `roothash=`, which the assembly adds. */
  readonly cmdline: readonly string[];
  readonly buildrootRequests: readonly SymbolRequest[];
  readonly kernelFragments: readonly KernelFragment[];
  /** Make text from the user, which Buildroot reads before all packages. */
  readonly localMk: string;
  /** One for each feature, and the last for the profile. */
  readonly rootParts: readonly RootPart[];
  readonly debianPackages: readonly string[];
  readonly debianKernel: "cloud" | "generic";
  /** Features that the profile lets the debian backend omit. */
  readonly debianOmitted: readonly string[];
  /** Units that must not start. */
  readonly disable: readonly string[];
  /** The source of each default that is not in the schema, such as `platform sev-snp`, by JSON pointer. */
  readonly defaults: ReadonlyMap<string, string>;
  /** The location of each value of the profile, by JSON pointer (`/launch/memory`). */
  readonly origins: ReadonlyMap<string, Location>;
}

/** The tree that a backend builds an image from. */
export interface Rendered {
  /** In path order. */
  readonly files: readonly TreeFile[];
  /** Every symbol of the defconfig with the location of its request; empty for the debian backend. */
  readonly symbols: readonly SymbolRequest[];
}
