import { join } from "node:path";
import type { EifSigner } from "../codecs/eif-signer.js";
import type { FileDigest } from "../lib/digest.js";
import type { Layers } from "../lib/namespace.js";
import type { Plan } from "../lib/plan.js";
import type { Command } from "../lib/tools.js";
import type { BackendName, Rendered, Resolved } from "../model/resolved.js";

export type { BackendName };

/** How a build runs: everything that the command line asks for beside the profile. */
export interface BuildOptions {
  readonly backend: BackendName;
  /** The directory that contains the image directories. */
  readonly out: string;
  readonly jobs: number;
  readonly offline: boolean;
  /** Ask the archive for newer packages instead of taking those of the last build. */
  readonly update: boolean;
  /** Refuse an image that must not be released. */
  readonly release: boolean;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
  /** Signs the enclave image. */
  readonly eifSigner: EifSigner | undefined;
  readonly buildroot: BuildrootOptions;
}

/** Options of the buildroot backend alone. */
export interface BuildrootOptions {
  /** The user's own Buildroot tree, instead of the pinned release. */
  readonly tree?: string | undefined;
  /** Accept a tree of another version than the profile names. */
  readonly allowVersion?: boolean | undefined;
  /** The stage that the build stops after; only `images` makes an image. */
  readonly until?: "configure" | "toolchain" | "kernel" | "rootfs" | "images" | undefined;
  /** Prepare the build directory for a shell in it. */
  readonly shell?: boolean | undefined;
}

/** One image to build, known in full before the first step. */
export interface BuildRequest {
  readonly resolved: Resolved;
  readonly rendered: Rendered;
  readonly options: BuildOptions;
}

/** The directories and the log of one build; they exist when the first step runs. */
export interface Workspace {
  /** Kept between builds of one profile; on the filesystem of the image directory. */
  readonly workDir: string;
  /** The rendered external tree. */
  readonly externalTree: string;
  /** Becomes the image directory; empty at the start. */
  readonly staging: string;
  /** The log of this build; it stays when the build fails. */
  readonly log: string;
}

/** A package in the image, as the manifest lists it. */
export interface BuiltPackage {
  readonly name: string;
  readonly version: string;
  /** Digest of the package or source archive. */
  readonly sha256?: string;
  /** Source package, or the address that the source came from. */
  readonly source?: string;
  readonly license?: string;
}

/** What decides the bytes of an image beyond the rendered tree: suite and packages, Buildroot version and commit. */
export type BackendInputs = Readonly<Record<string, unknown>>;

/** Buildroot's contract with `post-image.sh`: the four directories. Everything else is for the manifest. */
export interface Prepared {
  readonly workspace: Workspace;
  readonly targetDir: string;
  /** What must be mounted for targetDir to contain its files. */
  readonly layers?: Layers | undefined;
  /** Contains bzImage, and rootfs.ext4 or (for an image that lives in RAM) rootfs.cpio. */
  readonly binariesDir: string;
  readonly hostDir: string;
  readonly buildDir: string;
  readonly packages: readonly BuiltPackage[];
  readonly inputs: BackendInputs;
  /** For the manifest alone: facts about the build that do not decide its bytes. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Digests of files in binariesDir that are already known. */
  readonly digests: readonly FileDigest[];
}

/** Buildroot's directories, one clock, one locale, the backend's tools first: the environment of post-build.sh and post-image.sh. */
export function contractEnvironment(
  { targetDir, binariesDir, hostDir, buildDir }: Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir">,
  sourceDateEpoch: number,
): Record<string, string> {
  return {
    TARGET_DIR: targetDir,
    BINARIES_DIR: binariesDir,
    HOST_DIR: hostDir,
    BUILD_DIR: buildDir,
    SOURCE_DATE_EPOCH: String(sourceDateEpoch),
    TZ: "UTC",
    LC_ALL: "C",
    PATH: [join(hostDir, "bin"), join(hostDir, "sbin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(":"),
  };
}

/** A build that ends where `--until` or `--shell` asks: successful, and without an image. */
export interface Stopped {
  readonly stage: string;
  /** Buildroot's build directory. */
  readonly directory: string;
  /** What `--shell` runs in it. */
  readonly shell?: Command;
}

/** The steps that a backend contributes to a build. */
export type BackendPlan = {
  /** Undefined while they are unknown, because a step has to ask the network first. */
  readonly inputs: () => Promise<BackendInputs | undefined>;
  /** The packages of the image, if they are known before the first step. */
  readonly packages?: readonly BuiltPackage[] | undefined;
} & (
  | { readonly stops: false; readonly steps: Plan<Workspace, Prepared> }
  | { readonly stops: true; readonly steps: Plan<Workspace, Stopped> }
);

/** Where kernel and root tree come from. */
export interface Backend {
  /** Plans kernel and root tree. It reads the disk; it writes nothing and asks no network. */
  plan(request: BuildRequest): Promise<BackendPlan>;
  /** Whether its own tools call post-image.sh, as Buildroot's make does; else hal calls it. */
  readonly assembles: boolean;
  /** Whether its kernel keeps code of the host's ACPI tables out of the guest's memory. */
  readonly hostAml: "blocked" | "runs";
}
