import { formatCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { cocosEnvironment } from "./cocos-env.js";
import { libvirtXml } from "./libvirt.js";
import { nitroArgv } from "./nitro-cli.js";
import { type QemuOptions, qemuArgv } from "./qemu.js";
import { shellScript } from "./shell.js";

type Format = (launch: Launch, options: QemuOptions) => string;

/** The formats of `hal run --format`. Each function writes launch.json as text for one launcher, with a newline at its end. */
export const formats = {
  qemu: (launch, options) => commandLine(qemuArgv(launch, options)),
  shell: shellScript,
  libvirt: libvirtXml,
  "cocos-env": cocosEnvironment,
  "nitro-cli": (launch, options) => commandLine(nitroArgv(launch, options)),
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof formats;

function commandLine([tool = "", ...args]: readonly string[]): string {
  return `${formatCommand({ tool, args })}\n`;
}
