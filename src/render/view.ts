import { createHash } from "node:crypto";
import type { Location } from "../errors.js";
import { stableUuid } from "../partitions.js";
import type { Resolved } from "../resolved.js";
import { parseSize } from "../size.js";
import { nearestOrigin } from "../tree.js";
import { applets } from "./busybox.js";
import { modulesOf } from "./modules.js";

export function originOf(resolved: Resolved, pointer: string): Location {
  return nearestOrigin(resolved.origins, pointer);
}

/** What the templates of early boot, assembly and disk are filled with: literal values only. */
export function bootView(resolved: Resolved): object {
  const { profile, layout, name } = resolved;
  const bytes = layout.root.type === "verity" ? parseSize(layout.root.size) : 0;
  const rw = layout.root.type === "verity" ? layout.rw : undefined;
  const swap = layout.root.type === "verity" ? layout.swap : undefined;
  const modules = modulesOf(resolved);
  return {
    name,
    hostname: profile.hostname,
    debug: profile.debug,
    epoch: profile.sourceDateEpoch,
    waitTries: 100,
    partuuid: Object.fromEntries(resolved.partitions.map((partition) => [partition.name, partition.uuid])),
    guid: Object.fromEntries(resolved.partitions.map((partition) => [partition.name, guidOnDisk(partition.uuid)])),
    verity: {
      bytes,
      blocks: bytes / 4096,
      uuid: stableUuid(`${name}/verity superblock`),
      salt: createHash("sha256").update(`hal/v1/${name}/verity salt`).digest("hex"),
    },
    rw: rw === undefined ? false : { mount: rw.mount, binds: [...rw.binds].sort(), integrity: rw.integrity === "hmac-sha256" },
    swap: swap !== undefined,
    tmpfs: tmpfsOf(resolved),
    modules: modules.boot,
    programs: [
      "busybox",
      "veritysetup",
      ...(rw !== undefined || swap !== undefined ? ["cryptsetup"] : []),
      ...(rw === undefined ? [] : ["mke2fs"]),
    ],
    applets,
    suffix: layout.compression === "gzip" ? "gz" : "zst",
    gzip: layout.compression === "gzip",
    uki: profile.boot === "uki",
    verityLayout: layout.root.type === "verity",
    diskUuid: stableUuid(`${name}/disk`),
    partitions: resolved.partitions.map((partition) => ({ ...partition, image: imageOf[partition.name], size: partition.size ?? false })),
    espId: stableUuid(`${name}/esp`).slice(0, 8),
  };
}

/** The bytes of a GUID as a GPT has them, in hex: the first three fields are little-endian (UEFI 2.10, appendix A). */
function guidOnDisk(uuid: string): string {
  const [first = "", second = "", third = "", ...rest] = uuid.split("-");
  const swapped = [first, second, third].map((field) => (field.match(/../g) ?? []).reverse().join(""));
  return [...swapped, ...rest].join("");
}

/** The file that a partition is filled with; the guest itself makes the others. */
const imageOf = { esp: "esp.vfat", root: "rootfs.ext4", verity: "rootfs.verity", rw: false, swap: false } as const;

interface TmpfsView {
  readonly path: string;
  readonly options: string;
  /** The mount point is made at boot, because what it lies in is made at boot too. */
  readonly make: boolean;
}

/** /run first, which systemd then finds mounted; then the layout's areas, outer ones before inner ones. */
function tmpfsOf(resolved: Resolved): TmpfsView[] {
  const areas = resolved.layout.tmpfs.map(({ path, size, mode, exec, noswap }) => ({
    path,
    options: ["nodev", "nosuid", ...(exec ? [] : ["noexec"]), ...(noswap ? ["noswap"] : []), `size=${size}`, `mode=${mode}`].join(","),
  }));
  const run = { path: "/run", options: "nodev,nosuid,size=20%,mode=0755" };
  return [...(areas.some(({ path }) => path === "/run") ? [] : [run]), ...areas]
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map((area) => ({ ...area, make: areas.concat(run).some((outer) => area.path.startsWith(`${outer.path}/`)) }));
}

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

/** Rules that have udev read the contents of the host's disk, to make links that nothing here uses. */
const udevRules = [
  "60-persistent-storage.rules",
  "60-persistent-storage-tape.rules",
  "60-cdrom_id.rules",
  "64-btrfs.rules",
  "69-lvm.rules",
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
  return {
    name: resolved.name,
    hostname: profile.hostname,
    debug,
    ram: layout.root.type === "ram",
    systemd: profile.init === "systemd",
    shadowDay: Math.floor(profile.sourceDateEpoch / 86400),
    resolvConf: profile.init === "systemd" ? "../run/systemd/resolve/resolv.conf" : "../run/resolv.conf",
    directories: [...new Set(directories)].sort(),
    enable: [
      ...new Set([
        ...resolved.enable,
        ...resolved.units.filter((unit) => unit.enable).map((unit) => unit.name),
        ...(debug ? ["serial-getty@ttyS0.service"] : []),
      ]),
    ],
    mask: [...new Set([...(debug ? [] : lockedUnits), ...uselessUnits, ...resolved.disable])],
    generators: debug ? generators : ["systemd-getty-generator", ...generators],
    udevRules,
    remove: removed,
  };
}
