import { type BuildEvent, parseBuildLine, phaseOf, stripEscapes } from "./events.js";

export interface BuildFailure {
  readonly package: string | undefined;
  readonly version: string | undefined;
  /** The package's build directory, when make's report names it. */
  readonly directory: string | undefined;
  /** The step that failed. */
  readonly step: string | undefined;
  /** The lines that report the error, in order and without duplicates. */
  readonly errors: readonly string[];
  /** The end of the output. */
  readonly lastLines: readonly string[];
  readonly advice: string;
}

const LAST_LINES = 20;
const MAX_ERRORS = 10;
/** With several packages at once, other output separates an error from make's report: this many lines are enough. */
const LOOK_BACK = 10_000;

/** Lines in which compilers, linkers, configure scripts, patch and Buildroot itself report an error. */
const ERROR_LINES: readonly RegExp[] = [
  /(?:^|[\s:])(?:fatal )?error(?:\[E\d+\])?:/i,
  /^ERROR\b/,
  /undefined reference to/,
  /cannot find -l/,
  /No such file or directory/,
  /command not found/,
  /: not found$/,
  /unable to resolve host address/,
  /\bfailed: (?:Connection|Name or service|Temporary failure|No route)/,
  /^fatal: /,
  /No space left on device/,
  /Hunk #\d+ FAILED/,
  /^CMake Error/,
  /Killed/,
  /No rule to make target/,
  /You have legacy configuration/,
  // toolchain/helpers.mk: the external toolchain does not match the configuration.
  /^[^;"]* available in (?:C library|(?:external|this) toolchain)/,
  /^(?:Incorrect (?:selection|ABI)|External toolchain|Distribution toolchains|Cannot execute cross-compiler|Unable to detect the toolchain)/,
];

/** Make's own report; the path of `.stamp_STEP` names the package's directory and the step. */
const STAMP = /\[(?:[^\]]*: )?((?:\S.*)?\/build\/([^/\]\s]+))\/\.stamp_([a-z_]+)\] Error/;
const STAMP_STEPS: Readonly<Record<string, string>> = {
  downloaded: "Downloading",
  actual_downloaded: "Downloading",
  extracted: "Extracting",
  rsynced: "Syncing from source dir",
  patched: "Patching",
  configured: "Configuring",
  dotconfig: "Configuring",
  kconfig_fixup_done: "Configuring",
  built: "Building",
  installed: "Installing",
  host_installed: "Installing to host directory",
  staging_installed: "Installing to staging directory",
  images_installed: "Installing to images directory",
  target_installed: "Installing to target",
};

/** Advice by the text of the errors; the first match counts. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/No space left on device/, "free disk space; the next build continues from here"],
  [/legacy configuration/, "run the Kconfig gate: it names each legacy symbol and what replaces it"],
  [
    /has wrong (?:sha|md)|ERROR: No hash found/,
    "the download does not match its .hash file: remove it from the download directory and try again",
  ],
  [
    // The proxy that --offline gives wget and curl, and the protocols that it forbids git.
    /127\.0\.0\.1:9\b|127\.0\.0\.1 port 9\b|transport '\w+' not allowed/,
    "its source is not in the download directory, and --offline forbids to fetch it: run hal fetch on a machine with a network",
  ],
  [
    /unable to resolve host address|\bfailed: (?:Connection|Name or service|Temporary failure|No route)/,
    "the source could not be downloaded: run hal fetch on a machine with a network, or set a primary site that has it",
  ],
  [/Killed/, "the machine ran out of memory: build with fewer --jobs"],
  [/Hunk #\d+ FAILED/, "a patch does not fit this version: check the global patch directory"],
];

/** The directory of the failed package, when the line is make's report of the failure. */
export function failedDirectory(line: string): string | undefined {
  return STAMP.exec(line)?.[1];
}

/**
 * Finds the failed package in everything that make printed. With several packages at once, make's stamp names the
 * failed one; the last lines may belong to another.
 */
export function summarizeFailure(output: readonly string[]): BuildFailure {
  const lines = output.slice(-LOOK_BACK).map(stripEscapes);
  const end = lines.findIndex((line) => STAMP.test(line));
  const stamp = STAMP.exec(lines[end] ?? "");
  const directory = stamp?.[2];
  const events = lines.flatMap((line, index) => {
    const event = parseBuildLine(line);
    return event === undefined ? [] : [{ event, index }];
  });
  const last = directory === undefined ? events.at(-1) : events.findLast(({ event }) => directoryOf(event) === directory);
  const named = last?.event ?? splitDirectory(directory);
  // Only lines of the failed step: earlier steps test for files that may be missing.
  const during = lines.slice(last?.index ?? 0, end < 0 ? lines.length : end + 1);
  const own = during.filter((line) => failedDirectory(line) === undefined && !isOfAnother(line, named?.package, directory));
  const errors = [...new Set(own.filter((line) => ERROR_LINES.some((pattern) => pattern.test(line))))];
  const text = [...errors, ...during.slice(-LAST_LINES)].join("\n");
  return {
    package: named?.package,
    version: named?.version,
    directory: stamp?.[1],
    step: stepOf(last?.event, stamp?.[3]),
    errors: errors.slice(0, MAX_ERRORS),
    // With several packages at once, make's very last lines belong to a package that continued.
    lastLines: during.filter((line) => line !== "").slice(-LAST_LINES),
    advice: ADVICE.find(([pattern]) => pattern.test(text))?.[1] ?? adviceFor(named?.package),
  };
}

/** The step that Buildroot announced, unless make's stamp names a later step. */
function stepOf(event: BuildEvent | undefined, stamp: string | undefined): string | undefined {
  const step = STAMP_STEPS[stamp ?? ""];
  if (event === undefined || step === undefined) return event?.step ?? step;
  return event.phase === "other" || event.phase === phaseOf(step) ? event.step : step;
}

/** Whether a line names the directory of another package, built at the same time. */
function isOfAnother(line: string, name: string | undefined, directory: string | undefined): boolean {
  if (directory === undefined) return false;
  const places = [...line.matchAll(/\/(?:build|per-package)\/([^/\s:'"]+)\//g)].map(([, place]) => place);
  return places.length > 0 && !places.some((place) => place === directory || place === name);
}

function adviceFor(name: string | undefined): string {
  if (name === undefined) return "read the whole log";
  return `read the whole log, then try: hal make PROFILE -- ${name}-dirclean ${name}`;
}

/** The directory below build/ in which Buildroot builds the package of an event. */
function directoryOf({ package: name, version }: BuildEvent): string | undefined {
  return version === undefined ? name : `${name}-${version}`;
}

function splitDirectory(directory: string | undefined): Pick<BuildEvent, "package" | "version"> | undefined {
  if (directory === undefined) return undefined;
  const match = /^(.+?)-(v?\d.*)$/.exec(directory);
  return match === null ? { package: directory, version: undefined } : { package: match[1], version: match[2] };
}
