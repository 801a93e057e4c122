import { shellQuote } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { pathKind, placeholder } from "../model/shares.js";
import { launchArgv } from "./describe.js";
import type { QemuOptions } from "./qemu.js";

type Share = Launch["shares"][number];

/**
 * Returns a POSIX shell script that starts an image.
 * The script runs in the folder of the artifacts: `$HAL_IMAGE_DIR`, else `base`, else the folder of the script.
 * It reads the path of each share from a variable (`ENV_PATH`), and stops if that variable is not set.
 * @throws HalError "input" for the same reasons as `launchArgv`
 */
export function shellScript(launch: Launch, options: QemuOptions = {}): string {
  const { base, ...rest } = options;
  const argv = launchArgv(launch, rest);
  const unsetShares =
    launch.boot === "enclave" ? [] : launch.shares.filter((share) => share.path === undefined && options.shares?.[share.tag] === undefined);
  const lines = [
    "#!/bin/sh",
    `# Starts the image of profile ${launch.profile} on platform ${launch.platform}.`,
    "set -eu",
    ...unsetShares.flatMap(readVariable),
    // The default path has its own variable, because dash and bash read quotes inside "${NAME:-…}" differently.
    `image=${base === undefined ? '$(dirname -- "$0")' : shellQuote(base)}`,
    'cd -- "${HAL_IMAGE_DIR:-$image}"',
    `exec ${optionLines(argv, unsetShares).join(" \\\n  ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Shell lines that read the path of a share. They make it absolute, because the script changes its folder, and double its commas
 * for QEMU. `$(…)` removes newlines at the end of its output, so the lines first append a dot and remove it afterwards.
 * They do not use realpath(1): POSIX has it only since 2024, and BusyBox's version does not accept `--`.
 */
function readVariable(share: Share): string[] {
  const { variable } = share;
  return [
    `case \${${variable}:?${pathKind(share)} of share ${share.tag}} in /*) ;; *) ${variable}=$PWD/$${variable} ;; esac`,
    `${variable}=$(printf '%s.' "$${variable}" | sed 's/,/,,/g')`,
    `${variable}=\${${variable}%.}`,
  ];
}

/** Quotes the words for a shell. Each line contains one option and its value. */
function optionLines(argv: readonly string[], unsetShares: readonly Share[]): string[] {
  const lines: string[] = [];
  for (const [index, word] of argv.entries()) {
    const option = argv[index - 1] ?? "";
    const quoted = option === "-fsdev" || option === "-chardev" ? quoteWithVariables(word, unsetShares) : shellQuote(word);
    if (index === 0 || word.startsWith("-") || lines.length === 1) lines.push(quoted);
    else lines[lines.length - 1] += ` ${quoted}`;
  }
  return lines;
}

/** Quotes a word, and replaces a placeholder in it by the variable of that share. */
function quoteWithVariables(word: string, unsetShares: readonly Share[]): string {
  for (const share of unsetShares) {
    const [before, after] = word.split(placeholder(share));
    if (before !== undefined && after !== undefined) return `${shellQuote(before)}"$${share.variable}"${shellQuote(after)}`;
  }
  return shellQuote(word);
}
