import { posix } from "node:path";
import type { BackendName, Resolved } from "../model/resolved.js";
import type { RootContents } from "./root-contents.js";
import { enabledUnits, maskedUnits, unitFile } from "./units.js";

/** Generators that act on the host's disk (gpt-auto), on the console (getty), or that only a login needs. */
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
 * Rules with which udev reads the contents of the host's disk, or of what is opened on it, to make links that nothing uses.
 * The rules of lvm2 and libdevmapper have other names in Debian than in Buildroot.
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

/** The values of post-build.sh. */
export function postBuildView(resolved: Resolved, contents: RootContents, backend: BackendName): object {
  const { profile, layout } = resolved;
  const { debug } = profile;
  const systemd = profile.init === "systemd";
  const enabled = enabledUnits(resolved, contents);
  return {
    name: resolved.name,
    hostname: profile.hostname,
    debug,
    ram: layout.root.type === "ram",
    systemd,
    shadowDay: Math.floor(profile.sourceDateEpoch / 86400),
    resolvConf: systemd ? "../run/systemd/resolve/resolv.conf" : "../run/resolv.conf",
    directories: directoriesOf(resolved, contents),
    // Buildroot's make enables units itself, after post-build.sh: see 00-hal.preset.
    enableHere: backend === "debian",
    enable: enabled,
    required: [...new Set(enabled.map(unitFile))],
    mask: maskedUnits(resolved),
    generators: debug ? generators : ["systemd-getty-generator", ...generators],
    udevRules,
    remove: removed,
  };
}

/** Paths in the root that post-build.sh, or a later step of a backend, writes or removes. */
export function writtenPaths(resolved: Resolved, contents: RootContents): readonly string[] {
  const { layout } = resolved;
  return [
    ...directoriesOf(resolved, contents),
    ...["/etc/hostname", "/etc/machine-id", "/etc/mtab", "/etc/resolv.conf", "/var/lib/dbus"],
    ...["passwd", "group", "shadow", "gshadow"].map((name) => `/etc/${name}`),
    ...(layout.root.type === "ram" ? ["/init"] : []),
    "/usr/lib/modules",
    ...removed.map((path) => posix.dirname(path)).filter((path) => path !== "/"),
    ...contents.users.map(({ home }) => home).filter((home) => home !== undefined),
  ];
}

/** Mount points, and the directories that post-build.sh writes to. */
function directoriesOf({ profile, layout }: Resolved, { units }: RootContents): string[] {
  const { root, rw, tmpfs } = layout;
  const mounts = units
    .filter(({ name }) => name.endsWith(".mount"))
    .flatMap(({ content }) => [...content.matchAll(/^Where=(\/[A-Za-z0-9._/-]+)$/gm)].map((match) => match[1] ?? ""));
  const directories = [
    "/dev",
    "/etc",
    // Buildroot's own permission table makes files in it, and the directory itself with mode 0777 where it is absent.
    "/etc/network",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/var/cache",
    "/var/log",
    "/var/tmp",
    ...(rw === undefined || root.type === "ram" ? [] : [rw.mount, ...rw.binds]),
    ...tmpfs.map(({ path }) => path).filter((path) => !path.startsWith("/run/")),
    ...(profile.init === "systemd" ? ["/etc/systemd/system", "/etc/systemd/system-generators", "/etc/udev/rules.d"] : []),
    ...mounts,
  ];
  return [...new Set(directories)].sort();
}
