import { basename } from "node:path";
import type { Location } from "../lib/errors.js";
import { baseFilePaths } from "../render/base-files.js";
import type { RootContents } from "../render/root-contents.js";
import { consoleUnits, unitFile } from "../render/units.js";
import type { ReleaseCandidate, Unreleasable } from "./release-rule.js";

/** One entry of `files`, `services.units` or an overlay. */
interface AddedFile {
  /** Without the leading slash and without `usr/`, which is merged. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
  readonly link?: string;
  readonly at: string | Location;
}

function addedFiles({ files, units, overlayFiles }: RootContents): AddedFile[] {
  const all = [
    ...files.map((file) => ({ ...file, path: file.path.slice(1) })),
    ...units.map(({ name, content, at }) => ({
      path: `etc/systemd/system/${name}`,
      mode: 0o644,
      content: new TextEncoder().encode(content),
      at,
    })),
    ...overlayFiles.map((file) => ({ ...file, at: "/overlays" })),
  ];
  return all.map((file) => ({ ...file, path: file.path.replace(/^usr\//, "") }));
}

export function setsPassword({ contents }: ReleaseCandidate): Unreleasable | undefined {
  const index = contents.users.findIndex(({ password }) => password !== undefined);
  const user = contents.users[index];
  return user && { why: `user ${user.name} has a password`, at: `/users/${index}`, remedy: "remove the password" };
}

export function setsUserId({ contents }: ReleaseCandidate): Unreleasable | undefined {
  const file = addedFiles(contents).find(({ mode }) => (mode & 0o6000) !== 0);
  const why = `/${file?.path} runs with the rights of its owner or group`;
  return file && { why, at: file.at, remedy: "remove the set-user-ID and set-group-ID bits of its mode" };
}

/** Programs and files that start the system or decide who can log in. The build makes or checks them. */
const ownFiles = [
  "init",
  "sbin/init",
  "linuxrc",
  "etc/passwd",
  "etc/shadow",
  "etc/group",
  "etc/gshadow",
  "etc/securetty",
  ...baseFilePaths,
];

export function replacesOwnFile({ contents }: ReleaseCandidate): Unreleasable | undefined {
  const file = addedFiles(contents).find(({ path }) => ownFiles.includes(path));
  return file && { why: `/${file.path} replaces a file that keeps a promise of the image`, at: file.at, remedy: "remove it" };
}

/** Files that decide who can log in, or who becomes root (sshd(8), systemd-userdbd(8), sysusers.d(5), pam.d(5), ld.so(8)). */
const loginFiles =
  /(?:^|\/)\.ssh\/authorized_keys2?$|^etc\/(?:authorized_keys|ssh\/(?:authorized_keys|sshd_config)|pam\.d\/|pam\.conf$|security\/|userdb\/|ld\.so\.preload$|inittab$|init\.d\/rc[SK]$)|(?:^|\/)(?:userdb|sysusers\.d)\/|^(?:etc|lib|run)\/credstore/;

/** Rights without a password (sudoers(5), doas.conf(5)). */
const freeRights = /^\s*[^#\s].*\b(?:NOPASSWD|nopass)\b/m;

export function letsIn({ contents }: ReleaseCandidate): Unreleasable | undefined {
  for (const { path, content, at } of addedFiles(contents)) {
    if (loginFiles.test(path)) return { why: `/${path} decides who can log in`, at, remedy: "remove it" };
    if (/^(?:local\/)?etc\/(?:sudoers|doas\.conf)/.test(path) && freeRights.test(text(content)))
      return { why: `/${path} gives the rights of root without a password`, at, remedy: "remove the rule" };
  }
  return undefined;
}

/** Lines of a unit that give it a terminal, or start a login on one (systemd.exec(5)). */
const usesTerminal = [
  /^\s*(?:StandardInput\s*=\s*tty|TTYPath\s*=)/m,
  /\/dev\/(?:console|tty|hvc)/,
  /^\s*Exec\w+\s*=.*\b(?:a?getty|sulogin|systemd-sulogin-shell)\b/m,
  /^\s*Exec\w+\s*=\s*[-@:+!|]*(?:\S*\/)?login(?:\s|$)/m,
];

/** Whether a unit of this name, or of a template or instance of it, starts a shell or a login on the console. */
function isConsoleUnit(name: string): boolean {
  return consoleUnits.includes(unitFile(name));
}

export function addsConsoleUnit({ contents }: ReleaseCandidate): Unreleasable | undefined {
  const enabled = contents.enable.find(isConsoleUnit);
  if (enabled !== undefined)
    return { why: `unit ${enabled} starts a shell or a login on the console`, at: "/services/enable", remedy: "remove it" };
  const file = addedFiles(contents).find(
    ({ path, content, link }) =>
      /(?:^|\/)systemd\//.test(path) &&
      (isConsoleUnit(basename(path)) ||
        (link !== undefined && isConsoleUnit(basename(link))) ||
        usesTerminal.some((line) => line.test(text(content)))),
  );
  return file && { why: `/${file.path} starts a shell or a login on the console`, at: file.at, remedy: "remove it" };
}

const text = (content: Uint8Array): string => Buffer.from(content).toString("latin1");
