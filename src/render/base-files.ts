import { HalError } from "../lib/errors.js";
import type { RenderedFile, Resolved } from "../model/resolved.js";
import { fill } from "./templates.js";
import { originOf } from "./view.js";

interface OwnFile {
  /** Path in the root, and below templates/board/hal/overlay. */
  readonly path: string;
  readonly mode?: number;
  readonly when: (resolved: Resolved) => boolean;
}

const systemd = ({ profile }: Resolved): boolean => profile.init === "systemd";
const busybox = ({ profile }: Resolved): boolean => profile.init === "busybox";
const ssh = ({ profile }: Resolved): boolean => profile.ssh;
const locked = (resolved: Resolved): boolean => !resolved.profile.debug;

/** Files that hal itself puts into every root of a kind. */
const ownFiles: readonly OwnFile[] = [
  { path: "etc/fstab", when: () => true },
  { path: "etc/hosts", when: () => true },
  { path: "etc/sysctl.d/90-hal.conf", when: () => true },
  { path: "etc/systemd/journald.conf.d/90-hal.conf", when: systemd },
  { path: "etc/systemd/system.conf.d/90-hal.conf", when: systemd },
  { path: "etc/systemd/coredump.conf.d/90-hal.conf", when: systemd },
  { path: "etc/systemd/system-preset/00-hal.preset", when: systemd },
  { path: "etc/systemd/system/emergency.service", when: (resolved) => systemd(resolved) && locked(resolved) },
  { path: "etc/systemd/system/rescue.service", when: (resolved) => systemd(resolved) && locked(resolved) },
  { path: "etc/systemd/system/hal-ssh-keys.service", when: ssh },
  { path: "etc/inittab", when: busybox },
  { path: "etc/init.d/rcS", mode: 0o755, when: busybox },
  { path: "etc/init.d/rcK", mode: 0o755, when: busybox },
];

/** Host keys are made at boot: keys in an image that others can read are no secret, and /etc is read-only. */
const sshKeys: readonly RenderedFile[] = ["ecdsa", "ed25519", "rsa"].map((type) => ({
  path: `etc/ssh/ssh_host_${type}_key`,
  content: new Uint8Array(),
  mode: 0o777,
  link: `/run/hal-ssh/ssh_host_${type}_key`,
}));

/** @throws HalError "input" for an SSH server without systemd, whose start scripts want to write to /etc */
export function own(resolved: Resolved): RenderedFile[] {
  if (resolved.profile.ssh && !systemd(resolved)) {
    throw new HalError("input", "ssh needs init: systemd", { at: originOf(resolved, "/ssh"), remedy: "set init: systemd or ssh: false" });
  }
  const files = ownFiles
    .filter((file) => file.when(resolved))
    .map((file) => ({
      path: file.path,
      mode: file.mode ?? 0o644,
      content: new TextEncoder().encode(fill(`board/hal/overlay/${file.path}`, overlayView(resolved), originOf(resolved, ""))),
    }));
  return resolved.profile.ssh ? [...files, ...sshKeys] : files;
}

function overlayView(resolved: Resolved): object {
  return {
    hostname: resolved.profile.hostname,
    debug: resolved.profile.debug,
    ram: resolved.layout.root.type === "ram",
    enable: [...new Set([...resolved.enable, ...resolved.units.filter((unit) => unit.enable).map((unit) => unit.name)])],
    disable: resolved.disable,
  };
}
