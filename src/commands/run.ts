import { isIPv4 } from "node:net";
import { readLaunch, readManifest } from "../bundle/documents.js";
import type { FormatName } from "../launch/formats.js";
import type { Forward } from "../launch/qemu.js";
import { endedByItself, runImage } from "../launch/run.js";
import { HalError } from "../lib/errors.js";
import { note, print, printJson } from "../lib/terminal.js";
import { acceptedLines } from "../model/weaknesses.js";

interface Options {
  readonly accel: "auto" | "kvm" | "tcg";
  readonly platform?: "none";
  readonly print: boolean;
  readonly format: FormatName;
  readonly share: readonly string[];
  readonly forward: readonly string[];
  readonly monitor: readonly string[];
  readonly firmware?: string;
  readonly firmwareVars?: string;
  readonly idKey?: string;
  readonly authorKey?: string;
  readonly json?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Starts the image of an image directory on this terminal, or prints the command; `--json` prints launch.json.
 * @throws HalError "command" when QEMU or nitro-cli fails, or the guest of a production image ends by itself, "input" for options that do not fit together
 */
export async function run(dir: string, options: Options): Promise<void> {
  if (options.authorKey !== undefined && options.idKey === undefined)
    throw new HalError("input", "--author-key needs --id-key", { remedy: "add --id-key KEY.pem" });
  if (options.json) {
    const { idKey, platform, firmware, firmwareVars, share, forward, monitor } = options;
    if ([idKey, platform, firmware, firmwareVars, ...share, ...forward, ...monitor].some((given) => given !== undefined))
      throw new HalError("input", "--json prints launch.json unchanged", { remedy: "use --print with the other options" });
    return printJson(await readLaunch(dir));
  }
  for (const line of acceptedLines((await readManifest(dir).catch(() => undefined))?.accepted ?? [])) note(line);
  const { accel, format, signal, firmware, firmwareVars } = options;
  const { text, ended, debug } = await runImage(dir, {
    accel,
    format,
    signal,
    withoutTee: Boolean(options.platform),
    print: options.print || format !== "qemu",
    shares: sharesOf(options.share),
    forwards: options.forward.map(forwardOf),
    monitors: options.monitor.map(monitorOf),
    firmware: { ...(firmware === undefined ? {} : { code: firmware }), ...(firmwareVars === undefined ? {} : { vars: firmwareVars }) },
    ...(options.idKey === undefined
      ? {}
      : { idKeys: { idKey: options.idKey, ...(options.authorKey === undefined ? {} : { authorKey: options.authorKey }) } }),
    note,
  });
  if (text !== undefined) print(text);
  if (ended === undefined) return;
  if (ended.exitCode !== 0) throw new HalError("command", `QEMU or nitro-cli failed with exit code ${ended.exitCode}`);
  const why = endedByItself(ended);
  if (why === undefined) return;
  const reason = `early boot powers off when it refuses the disk; to see the reason: hal test ${dir}`;
  // The user of a debug image can log in and power it off, and its console shows the reason.
  if (debug) note(`${why}; ${reason}`);
  else throw new HalError("command", why, { at: { file: dir }, remedy: reason });
}

/** Parses the words `TAG=DIR` of --share. */
function sharesOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const [, tag, path] = /^([^=]+)=(.+)$/.exec(word) ?? [];
      if (tag === undefined || path === undefined) throw new HalError("input", `--share ${word} does not have the form TAG=DIR`);
      return [tag, path];
    }),
  );
}

/** Parses a word `[ADDRESS:]HOST:GUEST` of --forward. Without an address, only this host reaches the port. */
export function forwardOf(word: string): Forward {
  const [, address = "127.0.0.1", host, guest] = /^(?:([^:]+):)?([0-9]{1,5}):([0-9]{1,5})$/.exec(word) ?? [];
  const ports = [Number(host), Number(guest)] as const;
  if (!isIPv4(address) || !ports.every((port) => port >= 1 && port <= 65535))
    throw new HalError("input", `--forward ${word} does not have the form [ADDRESS:]HOST:GUEST`, {
      remedy: "give an IPv4 address and two ports from 1 to 65535, such as 7020:7002 or 0.0.0.0:7020:7002",
    });
  return { address, host: ports[0], guest: ports[1] };
}

/** Checks a word of --monitor. */
function monitorOf(word: string): string {
  if (word !== "pty" && !/^unix:./.test(word))
    throw new HalError("input", `--monitor ${word} is neither pty nor unix:PATH`, {
      remedy: "use --monitor pty or --monitor unix:monitor",
    });
  return word;
}
