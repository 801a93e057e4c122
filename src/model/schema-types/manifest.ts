// Generated from schema/ by `npm run generate`. Do not edit.
import type { Platform } from "./common.js";
import type { Layout } from "./layout.js";

/** What was built and from what: every artifact with size and digest, every input that made it. */
export interface Manifest {
  schema: "hal.manifest/v1";
  /** The profile's name. */
  profile: string;
  /** A TEE, or none. */
  platform: Platform;
  /** The layout's name. */
  layout: string;
  /** What the image promises to whoever boots it; `hal test` holds it to that. */
  promises?: {
    /** The init system. */
    init: "systemd" | "busybox";
    /** Whether it has an SSH server. */
    ssh: boolean;
    /** The layout as it was built, with the profile's layoutOptions. */
    layout: Layout;
  };
  /** Where kernel and root tree came from. */
  backend: "buildroot" | "debian";
  /** A debug image: console and login are open. Never to be trusted. */
  debug: boolean;
  /** The one point in time in every artifact. */
  sourceDateEpoch: number;
  /** Features that the profile allows the backend to leave out, and that it left out. */
  omitted: string[];
  /** hal's version. */
  hal: string;
  /** What made the image. */
  inputs: {
    /** SHA-256 over everything that decides the build; equal digests mean an equal image. */
    digest: string;
    /** SHA-256 over the rendered external tree. */
    tree: string;
    /** Every file of the rendered external tree with its SHA-256: one compact array of (file, checksum). */
    files: string[][];
    /** The backend's own inputs: suite, archive state, Buildroot version and commit, overrides. */
    details: {};
  };
  /** Every package in the image. */
  packages: {
    name: string;
    version: string;
    /** Digest of the package or source archive. */
    sha256?: string;
    /** Source package or download address. */
    source?: string;
    /** Licences as the package declares them. */
    license?: string;
  }[];
  /** Every file of the output directory except this one and build.log. */
  artifacts: {
    /** A file of the output directory itself. */
    name: string;
    /** Bytes. */
    size: number;
    sha256: string;
  }[];
}
