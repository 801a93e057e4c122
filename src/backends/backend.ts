import { join } from "node:path";
import type { EifSigner } from "../codecs/eif-signature.js";
import type { Layers } from "../lib/namespace.js";
import type { Report } from "../lib/progress.js";
import type { Command } from "../lib/tools.js";
import type { Manifest } from "../model/generated.js";
import type { Rendered, Resolved } from "../model/resolved.js";

/** What a build is asked for beside the profile. */
export interface BuildOptions {
  readonly backend: Manifest["backend"];
  /** Where `<profile>/` goes. */
  readonly out: string;
  readonly jobs: number;
  readonly offline: boolean;
  /** Look for newer packages instead of the ones that the last build resolved. */
  readonly update: boolean;
  /** Refuse what must not be released. */
  readonly release: boolean;
  readonly verbose: boolean;
  readonly signal: AbortSignal;
  /** Signs the enclave image. */
  readonly eifSigner: EifSigner | undefined;
  /** What only that backend can be asked for. */
  readonly buildroot: BuildrootOptions;
}

export interface BuildrootOptions {
  /** A tree of the user's, instead of the pinned release. */
  readonly tree?: string | undefined;
  /** It may be of another version than the profile names. */
  readonly allowVersion?: boolean | undefined;
  /** Where to stop: there is no image then, but for `images`. */
  readonly until?: "configure" | "toolchain" | "kernel" | "rootfs" | "images" | undefined;
  /** Prepare the build directory, for a shell in it. */
  readonly shell?: boolean | undefined;
}

/** A package that is in the image, as the manifest lists it. */
export interface BuiltPackage {
  readonly name: string;
  readonly version: string;
  /** Digest of the package or source archive. */
  readonly sha256?: string;
  /** Source package, or where the source came from. */
  readonly source?: string;
  readonly license?: string;
}

export interface PrepareInput {
  readonly resolved: Resolved;
  /** The rendered external tree. */
  readonly externalTree: string;
  /** A directory of this profile's, kept between builds, on the output's filesystem. */
  readonly workDir: string;
  /** Shared by all builds of this user. */
  readonly cacheDir: string;
  readonly log: string;
  readonly report: Report;
  readonly options: BuildOptions;
}

/** Buildroot's own contract: what `post-image.sh` finds, and what went into it. */
export interface Prepared {
  readonly targetDir: string;
  /** What has to be mounted for targetDir to have its files. */
  readonly layers?: Layers | undefined;
  /** Has bzImage and rootfs.ext4, or rootfs.cpio for an image that lives in RAM. */
  readonly binariesDir: string;
  readonly hostDir: string;
  readonly buildDir: string;
  readonly packages: readonly BuiltPackage[];
  /** The backend's own inputs for the manifest: suite and archive state, Buildroot version and commit. */
  readonly details: Readonly<Record<string, unknown>>;
  /** True when the backend has already called post-image.sh, as Buildroot's make does. */
  readonly assembled: boolean;
}

/** The environment that post-build.sh and post-image.sh have: Buildroot's directories, one clock, one locale, the backend's tools first. */
export function contractEnvironment(
  prepared: Pick<Prepared, "targetDir" | "binariesDir" | "hostDir" | "buildDir">,
  sourceDateEpoch: number,
): Record<string, string> {
  return {
    TARGET_DIR: prepared.targetDir,
    BINARIES_DIR: prepared.binariesDir,
    HOST_DIR: prepared.hostDir,
    BUILD_DIR: prepared.buildDir,
    SOURCE_DATE_EPOCH: String(sourceDateEpoch),
    TZ: "UTC",
    LC_ALL: "C",
    PATH: [join(prepared.hostDir, "bin"), join(prepared.hostDir, "sbin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(":"),
  };
}

/** Where kernel and root tree come from. */
export interface Backend {
  /** Refuses, before any work, a profile that this backend cannot build, or a host that lacks a tool. */
  check(resolved: Resolved, options: BuildOptions): Promise<void>;
  /** What decides the bytes beyond the rendered tree, cheaply: it runs for every no-op build. */
  inputs(resolved: Resolved, rendered: Rendered, options: BuildOptions): Promise<Readonly<Record<string, unknown>>>;
  /** The steps that a build would take, in words, for `--dry-run`. */
  plan(resolved: Resolved, options: BuildOptions): Promise<readonly string[]>;
  prepare(input: PrepareInput): Promise<Prepared>;
  /** prepare() reports the time left itself: two builds of one profile can differ too much for a guess. */
  readonly tellsTimeLeft?: true;
}

/** The build ended where `--until` asked: all is well, and there is no image to publish. */
export class BuildStopped extends Error {
  readonly stage: string;
  /** The backend's build directory. */
  readonly directory: string;
  /** What `--shell` runs now that the directory is ready. */
  readonly shell: Command | undefined;

  constructor(stage: string, directory: string, shell?: Command) {
    super(`stopped after ${stage}`);
    this.name = "BuildStopped";
    this.stage = stage;
    this.directory = directory;
    this.shell = shell;
  }
}
