import { shellQuote } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { placeholder } from "../model/shares.js";
import { launchArgv } from "./describe.js";
import type { QemuOptions } from "./qemu.js";

type Share = Launch["shares"][number];

/**
 * A POSIX shell script that starts the image. It runs in the folder of the artifacts: `$HAL_IMAGE_DIR`, else `base`, else
 * the script's own. Each share's directory is read from its variable (`ENV_PATH`); the script says which one is missing.
 */
export function shellScript(launch: Launch, options: QemuOptions = {}): string {
  const { base, ...rest } = options;
  const argv = launchArgv(launch, rest);
  const open =
    launch.boot === "enclave" ? [] : launch.shares.filter((share) => share.path === undefined && options.shares?.[share.tag] === undefined);
  const lines = [
    "#!/bin/sh",
    `# Starts the image of profile ${launch.profile} on platform ${launch.platform}.`,
    "set -eu",
    ...open.flatMap(readVariable),
    // A variable of its own: quotes inside "${NAME:-…}" are read differently by dash and bash.
    `image=${base === undefined ? '$(dirname -- "$0")' : shellQuote(base)}`,
    'cd -- "${HAL_IMAGE_DIR:-$image}"',
    `exec ${grouped(argv, open).join(" \\\n  ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * The path made absolute, because the script changes its folder, and its commas doubled, as QEMU wants; the dot keeps newlines at its end.
 * realpath(1) is in no POSIX before 2024, and BusyBox's takes no `--`.
 */
function readVariable(share: Share): string[] {
  const { variable } = share;
  const meaning = share.type === "9p" ? `directory of share ${share.tag}` : `virtiofsd socket of share ${share.tag}`;
  return [
    `case \${${variable}:?${meaning}} in /*) ;; *) ${variable}=$PWD/$${variable} ;; esac`,
    `${variable}=$(printf '%s.' "$${variable}" | sed 's/,/,,/g')`,
    `${variable}=\${${variable}%.}`,
  ];
}

/** One line for each option with its value. */
function grouped(argv: readonly string[], open: readonly Share[]): string[] {
  const lines: string[] = [];
  for (const [index, word] of argv.entries()) {
    const option = argv[index - 1] ?? "";
    const quoted = option === "-fsdev" || option === "-chardev" ? quoteWithVariables(word, open) : shellQuote(word);
    if (index === 0 || word.startsWith("-") || lines.length === 1) lines.push(quoted);
    else lines[lines.length - 1] += ` ${quoted}`;
  }
  return lines;
}

function quoteWithVariables(word: string, open: readonly Share[]): string {
  for (const share of open) {
    const [before, after] = word.split(placeholder(share));
    if (before !== undefined && after !== undefined) return `${shellQuote(before)}"$${share.variable}"${shellQuote(after)}`;
  }
  return shellQuote(word);
}
