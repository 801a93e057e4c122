import { formatCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { cocosEnvironment } from "./cocos-env.js";
import { libvirtXml } from "./libvirt.js";
import { nitroArgv } from "./nitro-cli.js";
import { type QemuOptions, qemuArgv } from "./qemu.js";
import { shellScript } from "./shell.js";

type Format = (launch: Launch, options: QemuOptions) => string;

/** Every way to write down how an image is started: renderings of the one launch.json. Each ends with a newline. */
export const formats = {
  qemu: (launch, options) => command(qemuArgv(launch, options)),
  shell: shellScript,
  libvirt: libvirtXml,
  "cocos-env": cocosEnvironment,
  "nitro-cli": (launch, options) => command(nitroArgv(launch, options)),
} as const satisfies Readonly<Record<string, Format>>;

export type FormatName = keyof typeof formats;

function command([tool = "", ...args]: readonly string[]): string {
  return `${formatCommand({ tool, args })}\n`;
}
