import { HalError } from "../lib/errors.js";
import { nearestOrigin } from "../load/tree.js";
import type { Resolved, TreeFile } from "../model/resolved.js";
import type { RootContents } from "./root-contents.js";
import { fill } from "./templates.js";
import { presetRules } from "./units.js";

interface BaseFile {
  /** Path in the root, and below templates/board/hal/overlay. */
  readonly path: string;
  readonly mode?: number;
  readonly when: (resolved: Resolved) => boolean;
}

const systemd = ({ profile }: Resolved): boolean => profile.init === "systemd";
const busybox = ({ profile }: Resolved): boolean => profile.init === "busybox";
const ssh = ({ profile }: Resolved): boolean => profile.ssh;
const locked = (resolved: Resolved): boolean => systemd(resolved) && !resolved.profile.debug;

/** Files that hal itself puts into a root, and when. */
const table: readonly BaseFile[] = [
  { path: "etc/fstab", when: () => true },
  { path: "etc/hosts", when: () => true },
  { path: "etc/sysctl.d/90-hal.conf", when: () => true },
  { path: "etc/systemd/journald.conf.d/90-hal.conf", when: systemd },
  { path: "etc/systemd/system.conf.d/90-hal.conf", when: systemd },
  { path: "etc/systemd/coredump.conf.d/90-hal.conf", when: systemd },
  { path: "etc/systemd/system-preset/00-hal.preset", when: systemd },
  { path: "etc/systemd/system/emergency.service", when: locked },
  { path: "etc/systemd/system/rescue.service", when: locked },
  { path: "etc/systemd/system/hal-ssh-keys.service", when: ssh },
  { path: "etc/inittab", when: busybox },
  { path: "etc/init.d/rcS", mode: 0o755, when: busybox },
  { path: "etc/init.d/rcK", mode: 0o755, when: busybox },
];

/** The paths in the root of all files that hal itself can put there, whether or not an image has them. */
export const baseFilePaths: readonly string[] = table.map(({ path }) => path);

/** Host keys are made at boot: a key in the image is no secret, and /etc is read-only. */
const sshKeys: readonly TreeFile[] = ["ecdsa", "ed25519", "rsa"].map((type) => ({
  path: `etc/ssh/ssh_host_${type}_key`,
  content: new Uint8Array(),
  mode: 0o777,
  link: `/run/hal-ssh/ssh_host_${type}_key`,
}));

/**
 * The files of hal itself in a root.
 * @throws HalError "input" for an SSH server without systemd, whose start scripts write to /etc
 */
export function baseFiles(resolved: Resolved, contents: RootContents): TreeFile[] {
  if (ssh(resolved) && !systemd(resolved)) {
    const at = nearestOrigin(resolved.origins, "/ssh");
    throw new HalError("input", "ssh needs init: systemd", { at, remedy: "set init: systemd or ssh: false" });
  }
  const view = {
    hostname: resolved.profile.hostname,
    debug: resolved.profile.debug,
    ...presetRules(resolved, contents),
  };
  const at = nearestOrigin(resolved.origins, "");
  const files = table
    .filter((file) => file.when(resolved))
    .map(({ path, mode = 0o644 }) => ({ path, mode, content: new TextEncoder().encode(fill(`board/hal/overlay/${path}`, view, at)) }));
  return ssh(resolved) ? [...files, ...sshKeys] : files;
}
