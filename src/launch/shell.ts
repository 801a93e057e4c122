import { shellQuote } from "../lib/tools.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";
import { pathKind, placeholder, sharePath } from "../model/shares.js";
import { launchArgv } from "./compose.js";
import type { QemuOptions } from "./qemu.js";

/** A variable that the script reads: the path of a share or of firmware. */
interface Variable {
  readonly name: string;
  /** The word in the command that the variable replaces. */
  readonly word: string;
  readonly means: string;
  /** The path is in an option list of QEMU, which needs doubled commas. */
  readonly doubled: boolean;
}

/**
 * Returns a POSIX shell script that starts an image.
 * The script runs in the folder of the artifacts: `$HAL_IMAGE_DIR`, else `base`, else the folder of the script.
 * It reads each path that the launcher gives from a variable (`ENV_PATH`, `FIRMWARE`), and stops if that variable is not set.
 * @throws HalError "input" for the same reasons as `launchArgv`
 */
export function shellScript(launch: Launch, options: QemuOptions = {}): string {
  const { base, ...rest } = options;
  const argv = launchArgv(launch, rest);
  const variables = launch.boot === "enclave" ? [] : variablesOf(launch, options);
  const lines = [
    "#!/bin/sh",
    `# Starts the image of profile ${launch.profile} on platform ${launch.platform}.`,
    "set -eu",
    ...variables.flatMap(readVariable),
    // The default path has its own variable, because dash and bash read quotes inside "${NAME:-…}" differently.
    `image=${base === undefined ? '$(dirname -- "$0")' : shellQuote(base)}`,
    'cd -- "${HAL_IMAGE_DIR:-$image}"',
    `exec ${optionLines(argv, variables).join(" \\\n  ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

function variablesOf({ firmware, shares }: Launch, options: QemuOptions): Variable[] {
  return [
    ...[firmware, firmware?.vars].flatMap((file): Variable[] => {
      const found = firmwarePlaceholder(file);
      return found === undefined ? [] : [{ ...found, name: found.variable, doubled: firmware?.kind !== "bios" }];
    }),
    ...shares
      .filter(({ tag }) => sharePath(options.shares, tag) === undefined)
      .map((share) => ({
        name: share.variable,
        word: placeholder(share),
        means: `${pathKind(share)} of share ${share.tag}`,
        doubled: true,
      })),
  ];
}

/**
 * Shell lines that read a path from a variable. They make it absolute, because the script changes its folder, and double its commas
 * for QEMU. `$(…)` removes newlines at the end of its output, so the lines first append a dot and remove it afterwards.
 * They do not use realpath(1): POSIX has it only since 2024, and BusyBox's version does not accept `--`.
 */
function readVariable({ name, means, doubled }: Variable): string[] {
  return [
    `case \${${name}:?${means}} in /*) ;; *) ${name}=$PWD/$${name} ;; esac`,
    ...(doubled ? [`${name}=$(printf '%s.' "$${name}" | sed 's/,/,,/g')`, `${name}=\${${name}%.}`] : []),
  ];
}

/** Quotes the words for a shell. Each line contains one option and its value. */
function optionLines(argv: readonly string[], variables: readonly Variable[]): string[] {
  const lines: string[] = [];
  for (const [index, word] of argv.entries()) {
    const option = argv[index - 1] ?? "";
    const quoted = optionsWithPaths.has(option) ? quoteWithVariables(word, variables) : shellQuote(word);
    if (index === 0 || word.startsWith("-") || lines.length === 1) lines.push(quoted);
    else lines[lines.length - 1] += ` ${quoted}`;
  }
  return lines;
}

const optionsWithPaths: ReadonlySet<string> = new Set(["-fsdev", "-chardev", "-bios", "-drive", "-object"]);

/** Quotes a word, and replaces a placeholder in it by its variable. */
function quoteWithVariables(word: string, variables: readonly Variable[]): string {
  for (const variable of variables) {
    const [before, after] = word.split(variable.word);
    if (before !== undefined && after !== undefined) return `${quoted(before)}"$${variable.name}"${quoted(after)}`;
  }
  return shellQuote(word);
}

const quoted = (text: string): string => (text === "" ? "" : shellQuote(text));
