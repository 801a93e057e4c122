import { readLaunch } from "../bundle/documents.js";
import type { FormatName } from "../launch/formats.js";
import { runImage } from "../launch/run.js";
import { HalError } from "../lib/errors.js";
import { note, print, printJson } from "../lib/terminal.js";

interface Options {
  readonly accel: "auto" | "kvm" | "tcg";
  readonly platform?: "none";
  readonly print: boolean;
  readonly format: FormatName;
  readonly share: readonly string[];
  readonly idKey?: string;
  readonly authorKey?: string;
  readonly json?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Starts the image of an image directory on this terminal, or prints the command; `--json` prints launch.json.
 * @throws HalError "command" when QEMU or nitro-cli fails, "input" for options that do not fit together
 */
export async function run(dir: string, options: Options): Promise<void> {
  if (options.authorKey !== undefined && options.idKey === undefined)
    throw new HalError("input", "--author-key needs --id-key", { remedy: "add --id-key KEY.pem" });
  if (options.json) {
    if (options.idKey !== undefined || options.platform || options.share.length > 0)
      throw new HalError("input", "--json prints launch.json unchanged", {
        remedy: "use --print with --id-key, --platform or --share",
      });
    return printJson(await readLaunch(dir));
  }
  const { platform, ...rest } = options;
  const { text, exitCode } = await runImage(dir, {
    ...rest,
    withoutTee: Boolean(platform),
    print: options.print || options.format !== "qemu",
    shares: sharesOf(options.share),
    ...(options.idKey === undefined
      ? {}
      : { idKeys: { idKey: options.idKey, ...(options.authorKey === undefined ? {} : { authorKey: options.authorKey }) } }),
    note,
  });
  if (text !== undefined) print(text);
  if (exitCode !== undefined && exitCode !== 0) throw new HalError("command", `QEMU or nitro-cli failed with exit code ${exitCode}`);
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
