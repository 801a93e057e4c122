import type { BuildOptions } from "../backends/backend.js";
import type { Location } from "../lib/errors.js";
import type { Resolved } from "../model/resolved.js";
import type { RootContents } from "../render/root-contents.js";

/** Why an image cannot be released. */
export interface Unreleasable {
  readonly why: string;
  /** The JSON pointer of the value in the profile, or its location. */
  readonly at: string | Location;
  readonly remedy?: string;
}

/** The image that a rule looks at. `contents` is everything that profile and features put into its root. */
export interface ReleaseCandidate {
  readonly resolved: Resolved;
  readonly options: BuildOptions;
  readonly contents: RootContents;
}

/** Returns why an image cannot be released; undefined if the rule allows it. */
export type ReleaseRule = (candidate: ReleaseCandidate) => Unreleasable | undefined | Promise<Unreleasable | undefined>;
