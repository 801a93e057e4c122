import { formatConfigLine } from "../kconfig/dotconfig.js";
import type { KernelFragment } from "../model/resolved.js";

/** The text of a kernel fragment: a file with its own comments, or the options of a feature or the profile. */
export function fragmentText({ text, requests }: KernelFragment): string {
  // The kernel's merge_config.sh would take a carriage return for a part of the value.
  if (text !== undefined) return `${text.replaceAll("\r\n", "\n").trimEnd()}\n`;
  return `# ${requests[0]?.by}\n${requests.map((request) => `${formatConfigLine(request)}\n`).join("")}`;
}
