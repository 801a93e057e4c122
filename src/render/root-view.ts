import type { Resolved } from "../model/resolved.js";

/** systemd units that a locked image never starts: logins, prompts, and what would change or leave the system. */
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

/** Units that a verified, unattended image has no use for, debug or not. */
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

/** Generators that act on the host's disk (gpt-auto), on the console (getty) or on what only a login needs. */
const generators = [
  "systemd-bless-boot-generator",
  "systemd-cryptsetup-generator",
  "systemd-debug-generator",
  "systemd-factory-reset-generator",
  "systemd-gpt-auto-generator",
  "systemd-hibernate-resume-generator",
  "systemd-import-generator",
  "systemd-integritysetup-generator",
  "systemd-rc-local-generator",
  "systemd-run-generator",
  "systemd-ssh-generator",
  "systemd-system-update-generator",
  "systemd-tpm2-generator",
  "systemd-veritysetup-generator",
];

/**
 * Rules that have udev read the contents of the host's disk, or of what is opened on it, to make links that nothing
 * here uses. lvm2's and libdevmapper's have other names in Debian than in Buildroot.
 */
const udevRules = [
  "60-persistent-storage.rules",
  "60-persistent-storage-tape.rules",
  "60-cdrom_id.rules",
  "64-btrfs.rules",
  "69-lvm.rules",
  "69-dm-lvm.rules",
  "13-dm-disk.rules",
  "60-persistent-storage-dm.rules",
];

/** Paths that no image needs, or that differ from build to build. */
const removed = [
  "/boot",
  "/usr/share/doc",
  "/usr/share/man",
  "/usr/share/info",
  "/usr/share/locale",
  "/usr/share/lintian",
  "/usr/share/bash-completion",
  "/usr/share/zsh",
  "/var/cache/ldconfig",
  "/var/cache/apt",
  "/var/cache/debconf",
  "/var/cache/man",
  "/var/lib/apt",
  "/var/lib/dpkg/info",
  "/var/lib/systemd/catalog",
  "/var/lib/systemd/random-seed",
  "/etc/ld.so.cache~",
];

/** What post-build.sh is filled with. */
export function rootView(resolved: Resolved): object {
  const { profile, layout } = resolved;
  const debug = profile.debug;
  const mounts = resolved.units
    .filter(({ name }) => name.endsWith(".mount"))
    .flatMap(({ content }) => [...content.matchAll(/^Where=(\/[A-Za-z0-9._/-]+)$/gm)].map((match) => match[1] ?? ""));
  const directories = [
    "/dev",
    "/etc",
    // Buildroot's own table of permissions makes directories in it, and it itself, if it is not there, with mode 0777.
    "/etc/network",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/cache",
    "/var/log",
    "/var/tmp",
    ...(layout.rw === undefined || layout.root.type === "ram" ? [] : [layout.rw.mount, ...layout.rw.binds]),
    ...layout.tmpfs.map(({ path }) => path).filter((path) => !path.startsWith("/run/")),
    ...(profile.init === "systemd" ? ["/etc/systemd/system", "/etc/systemd/system-generators", "/etc/udev/rules.d"] : []),
    ...mounts,
  ];
  const omittable = unitsOfOmitted(resolved);
  const enabled = new Set([
    ...resolved.enable,
    ...resolved.units.filter((unit) => unit.enable).map((unit) => unit.name),
    ...(profile.ssh ? ["hal-ssh-keys.service"] : []),
    ...(debug ? ["serial-getty@ttyS0.service"] : []),
  ]);
  return {
    name: resolved.name,
    hostname: profile.hostname,
    debug,
    ram: layout.root.type === "ram",
    systemd: profile.init === "systemd",
    shadowDay: Math.floor(profile.sourceDateEpoch / 86400),
    resolvConf: profile.init === "systemd" ? "../run/systemd/resolve/resolv.conf" : "../run/resolv.conf",
    directories: [...new Set(directories)].sort(),
    enable: [...enabled].filter((unit) => !omittable.has(unit)),
    enableIfThere: [...enabled].filter((unit) => omittable.has(unit)),
    mask: [...new Set([...(debug ? [] : lockedUnits), ...uselessUnits, ...resolved.disable])],
    generators: debug ? generators : ["systemd-getty-generator", ...generators],
    udevRules,
    remove: removed,
  };
}

/** Units of packages that only come with features that the profile lets a backend leave out. */
function unitsOfOmitted({ features, debianOmitted, profile }: Resolved): ReadonlySet<string> {
  const unitsOf = (omitted: boolean): string[] =>
    features.filter(({ name }) => debianOmitted.includes(name) === omitted).flatMap(({ enable }) => enable);
  const kept = new Set([...profile.services.enable, ...unitsOf(false)]);
  return new Set(unitsOf(true).filter((unit) => !kept.has(unit)));
}
