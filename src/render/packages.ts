import type { Resolved } from "../resolved.js";

/** The Debian packages of the root: what init, layout and early boot need, and what profile and features ask for. */
export function debianPackagesOf(resolved: Resolved): string[] {
  const { profile, layout } = resolved;
  const verity = layout.root.type === "verity";
  return [
    ...new Set([
      "busybox-static",
      ...(profile.init === "systemd" ? ["dbus", "kmod", "systemd-sysv", "udev"] : []),
      ...(verity ? ["cryptsetup-bin"] : ["kmod"]),
      ...(verity && layout.rw !== undefined ? ["e2fsprogs"] : []),
      ...(profile.ssh ? ["openssh-server"] : []),
      ...resolved.debianPackages,
    ]),
  ].sort();
}
