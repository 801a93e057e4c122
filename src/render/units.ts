import type { Resolved } from "../model/resolved.js";
import type { RootContents } from "./root-contents.js";

/** Units that a locked image never starts: logins, password prompts and a debug shell. */
const lockedUnits = [
  "autovt@.service",
  "console-getty.service",
  "container-getty@.service",
  "getty-static.service",
  "getty.target",
  "getty@.service",
  "serial-getty@.service",
  "debug-shell.service",
  "systemd-ask-password-console.path",
  "systemd-ask-password-console.service",
  "systemd-ask-password-wall.path",
  "systemd-ask-password-wall.service",
];

/** Units that start a shell or a login on the console. hal replaces the emergency and rescue shells by a power-off. */
export const consoleUnits: readonly string[] = [
  ...lockedUnits,
  ...["emergency.service", "emergency.target", "rescue.service", "rescue.target"],
];

/** Units that no verified, unattended image needs, debug or not. */
const uselessUnits = [
  "ctrl-alt-del.target",
  "kexec.target",
  "kmod-static-nodes.service",
  "modprobe@.service",
  "proc-sys-fs-binfmt_misc.automount",
  "proc-sys-fs-binfmt_misc.mount",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "systemd-binfmt.service",
  "systemd-creds.socket",
  "systemd-initctl.socket",
  "systemd-random-seed.service",
  "systemd-rfkill.socket",
  "systemd-sysext.socket",
  "systemd-udev-settle.service",
  "hibernate.target",
  "suspend.target",
  "hybrid-sleep.target",
  "suspend-then-hibernate.target",
  "ldconfig.service",
  "systemd-firstboot.service",
  "systemd-hwdb-update.service",
  "systemd-journal-catalog-update.service",
  "systemd-machine-id-commit.service",
  "systemd-modules-load.service",
  "systemd-remount-fs.service",
  "systemd-sysusers.service",
  "systemd-update-done.service",
  "systemd-udev-load-credentials.service",
  "systemd-confext.service",
  "systemd-sysext.service",
  "fstrim.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "dpkg-db-backup.timer",
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
];

/** Units that post-build.sh masks. */
export function maskedUnits({ profile, disable }: Resolved): string[] {
  return [...new Set([...(profile.debug ? [] : lockedUnits), ...uselessUnits, ...disable])];
}

/** Units that start at boot, by name. `services.disable` has the last word. */
export function enabledUnits({ profile, disable }: Resolved, { enable, units }: RootContents): string[] {
  const wanted = [
    ...enable,
    ...units.filter((unit) => unit.enable).map(({ name }) => name),
    ...(profile.ssh ? ["hal-ssh-keys.service"] : []),
    ...(profile.debug && profile.init === "systemd" ? ["serial-getty@ttyS0.service"] : []),
  ];
  return [...new Set(wanted)].filter((name) => !disable.includes(name));
}

/** The file of a unit: that of its template for an instance such as `serial-getty@ttyS0.service` (systemd.unit(5)). */
export function unitFile(unit: string): string {
  return unit.replace(/@.*\./, "@.");
}

/** The lines of a preset file (systemd.preset(5)): a template is enabled by one line with all its instances. */
export function presetRules(
  resolved: Resolved,
  contents: RootContents,
): { enable: { unit: string; instances: string[] }[]; disable: string[] } {
  const enabled = enabledUnits(resolved, contents);
  const instances = new Map<string, string[]>();
  for (const name of enabled) {
    const file = unitFile(name);
    const instance = name === file ? [] : [name.slice(file.indexOf("@") + 1, name.lastIndexOf("."))];
    instances.set(file, [...(instances.get(file) ?? []), ...instance]);
  }
  const unwanted = contents.units.map(({ name }) => name).filter((name) => !enabled.includes(name));
  return {
    enable: [...instances].map(([unit, list]) => ({ unit, instances: list })),
    disable: [...new Set([...resolved.disable, ...unwanted])],
  };
}
