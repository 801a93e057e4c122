/** One line of Buildroot's own progress: the MESSAGE macro of package/pkg-utils.mk, `>>> name version Step`. */
export interface BuildEvent {
  /** Undefined for steps that belong to no package: finalizing, images, scripts. */
  readonly package: string | undefined;
  readonly version: string | undefined;
  /** In Buildroot's words: `Building`, `Installing to target`, `Generating filesystem image rootfs.ext2`. */
  readonly step: string;
  readonly phase: Phase;
}

export type Phase = "download" | "extract" | "patch" | "configure" | "build" | "install" | "finalize" | "images" | "other";

/** The phase of a step, by the step's first words: package/pkg-generic.mk, pkg-autotools.mk, fs/common.mk, linux/linux.mk, Makefile. */
const PHASES: readonly (readonly [string, Phase])[] = [
  ["Downloading", "download"],
  ["Extracting", "extract"],
  ["Syncing from source dir", "extract"],
  ["Patching", "patch"],
  ["Updating config.sub", "configure"],
  ["Autoreconfiguring", "configure"],
  ["Preparing", "configure"],
  ["Configuring", "configure"],
  ["Updating kernel config", "configure"],
  ["Checking configure", "configure"],
  ["Building", "build"],
  ["Rebuilding", "build"],
  ["Installing", "install"],
  ["Fixing", "install"],
  ["Copying devicetree", "build"],
  ["Finalizing", "finalize"],
  ["Sanitizing", "finalize"],
  ["Sanity check", "finalize"],
  ["Copying overlay", "finalize"],
  ["Executing post-build", "finalize"],
  ["Executing post-fakeroot", "images"],
  ["Generating", "images"],
  ["Executing post-image", "images"],
];

// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's bold and reset sequences, as tput writes them
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]|\u001b\([A-Z0-9]|[\u000e\u000f]/g;

/** The line without colours and bold. */
export function stripEscapes(line: string): string {
  return line.replace(ESCAPES, "").replace(/\r$/, "");
}

/** The event that a line of make's output announces; undefined for every other line. */
export function parseBuildLine(line: string): BuildEvent | undefined {
  const text = stripEscapes(line);
  const match = /^>>> (\S*) (\S*) (.+)$/.exec(text);
  if (match === null) return undefined;
  const [, name = "", version = "", rest = ""] = match;
  // A package without a version prints two spaces; a step without a package prints two empty words.
  const step = rest.trim();
  return { package: name === "" ? undefined : name, version: version === "" ? undefined : version, step, phase: phaseOf(step) };
}

export function phaseOf(step: string): Phase {
  return PHASES.find(([start]) => step.startsWith(start))?.[1] ?? "other";
}

/** The event for a person: `busybox 1.37.0: building`. */
export function eventText({ package: name, version, step }: BuildEvent): string {
  if (name === undefined) return step;
  return `${name}${version === undefined ? "" : ` ${version}`}: ${step.charAt(0).toLowerCase()}${step.slice(1)}`;
}
