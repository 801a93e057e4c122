import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { firmwarePlaceholder } from "../model/firmware-placeholders.js";
import type { Launch } from "../model/generated.js";
import { platforms } from "../model/platforms/index.js";
import { pathKind, sharePath } from "../model/shares.js";
import type { CallerFirmware } from "./firmware.js";
import type { Forward } from "./qemu.js";

/** launch.json describes an image and has no power over the host. The guest gets of the host only what the caller gives here. */
export interface CallerPowers {
  /** The directory (9p) or virtiofsd socket (virtiofs) of each share, by tag. */
  readonly shares: Readonly<Record<string, string>>;
  /** Ports of the host that lead to the guest. */
  readonly forwards: readonly Forward[];
  /** Monitors of QEMU: `pty`, or `unix:` and a path. */
  readonly monitors: readonly string[];
  /** Firmware for the placeholders of launch.json. */
  readonly firmware?: CallerFirmware;
  /** Receives each message for the user before the image starts. */
  readonly note: (text: string) => void;
}

/** @throws HalError "input" for a share that the image does not have, and for a path that launchers would misread */
export function refuseUnknownShares(launch: Launch, shares: Readonly<Record<string, string>>): void {
  const tags = launch.shares.map((share) => share.tag);
  for (const [tag, path] of Object.entries(shares)) {
    if (!tags.includes(tag))
      throw new HalError("input", `the image has no share ${tag}`, {
        remedy: tags.length === 0 ? "remove --share" : `use one of: ${tags.join(", ")}`,
      });
    if (path.includes("${"))
      throw new HalError("input", `the path of share ${tag} contains \${, which starts a variable in launch.json`, {
        remedy: "rename the directory",
      });
  }
}

/** Returns the shares that the caller gives no path for. */
function missingShares(launch: Launch, shares: Readonly<Record<string, string>>): Launch["shares"] {
  return launch.shares.filter(({ tag }) => sharePath(shares, tag) === undefined);
}

/** Notes each placeholder of the printed command that the user must replace. */
export function notePlaceholders(launch: Launch, { shares, note }: CallerPowers): void {
  for (const file of [firmwarePlaceholder(launch.firmware), firmwarePlaceholder(launch.firmware?.vars)])
    if (file !== undefined) note(`replace ${file.word} by the ${file.means}, or add ${file.option} FILE`);
  for (const share of missingShares(launch, shares))
    note(`replace \${${share.variable}} by the ${pathKind(share)} of share ${share.tag}, or add --share ${share.tag}=PATH`);
}

/**
 * Removes the devices that this host cannot provide, and notes each one.
 * @throws HalError "input" if a guest of a TEE lacks the directory of a share, because such a guest starts only with all devices
 */
export function withoutMissingDevices(launch: Launch, { shares, note }: CallerPowers): Launch {
  const missing = missingShares(launch, shares);
  const flags = missing.map((share) => `--share ${share.tag}=DIR`).join(" ");
  if (platforms[launch.platform].confidential) {
    if (missing.length > 0)
      throw new HalError("input", `no directory given for share ${missing.map((share) => share.tag).join(", ")}`, {
        remedy: `add ${flags}`,
      });
    return launch;
  }
  if (missing.length > 0) note(`starting without ${missing.map((share) => `share ${share.tag}`).join(", ")} (to add: ${flags})`);
  const { vsock, ...rest } = launch;
  const noVsock = vsock !== undefined && !existsSync("/dev/vhost-vsock");
  if (noVsock) note("starting without vsock: this host has no /dev/vhost-vsock (to add: modprobe vhost_vsock)");
  return { ...(noVsock ? rest : launch), shares: launch.shares.filter((share) => !missing.includes(share)) };
}

/** The vsock address of Intel's quote generation service on its usual host. */
const QUOTE_SERVICE = { cid: 2, port: 4050 } as const;

/**
 * Removes a quote generation service at another address: QEMU connects to it with data of the guest, so the address in the launch.json of
 * a stranger could lead to any vsock service of the host or of another guest.
 */
export function withoutOtherQuoteService(launch: Launch, note: (text: string) => void): Launch {
  const { quoteGenerationSocket: socket, ...tee } = launch.tee ?? {};
  if (launch.tee === undefined || socket === undefined) return launch;
  if (socket.cid === QUOTE_SERVICE.cid && socket.port === QUOTE_SERVICE.port) return launch;
  note(
    `starting without the quote generation service at vsock ${socket.cid}:${socket.port}: hal connects only to ` +
      `${QUOTE_SERVICE.cid}:${QUOTE_SERVICE.port} (to use it, start the command of --print)`,
  );
  return { ...launch, tee: { ...tee, type: launch.tee.type, id: launch.tee.id } };
}

/** Notes the ports and monitors that launch.json describes and the caller does not give. */
export function notePowers({ net, monitors }: Launch, options: CallerPowers): void {
  const ports = (net?.forwards ?? []).filter(({ guest }) => !options.forwards.some((given) => given.guest === guest));
  if (ports.length > 0) {
    const flags = ports.map(({ host, guest }) => `--forward ${host}:${guest}`).join(" ");
    options.note(`starting without port ${ports.map(({ guest }) => guest).join(", ")} of the guest (to add: ${flags})`);
  }
  if (monitors.length > 0 && options.monitors.length === 0)
    options.note(`starting without a separate monitor (to add: ${monitors.map((monitor) => `--monitor ${monitor}`).join(" ")})`);
}

/** The monitor with an absolute path of its socket. QEMU deletes the file that has the name of the socket, so only a socket can be there. */
export function absoluteMonitor(monitor: string): string {
  const [, name] = /^unix:(.+)$/.exec(monitor) ?? [];
  if (name === undefined) return monitor;
  const path = resolve(name);
  if (existsSync(path) && !statSync(path).isSocket())
    throw new HalError("input", "QEMU would delete this file to create the monitor's socket", {
      at: { file: path },
      remedy: "name another path",
    });
  return `unix:${path}`;
}

export function absolutePaths(shares: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(shares).map(([tag, path]) => [tag, resolve(path)]));
}
