import { join } from "node:path";
import { expect, test } from "vitest";
import type { BackendName, BuildOptions } from "../../src/backends/backend.js";
import { refuseUnreleasable } from "../../src/build/release.js";
import { refuseRemotePackages } from "../../src/build/release-packages.js";
import { HalError } from "../../src/lib/errors.js";
import { resolve } from "../../src/resolve/resolve.js";
import { type Files, workspace } from "../load/workspace.js";
import { buildOptions } from "./options.js";

/** A profile that can be released. */
const releasable = `apiVersion: hal/v1
kind: Profile
name: p
extends: tdx
features: !replace [network]
debian: {snapshot: 20260101T000000Z}
`;
const firmware = "launch: {firmware: {package: ovmf, version: 2025.02-8}}\n";

const unit = (text: string): string => `services: {units: [{name: a.service, content: "[Service]\\n${text}\\n"}]}`;

/** Why `hal build --release` refuses a profile, and where; undefined if it does not. */
async function refusal(yaml: string, said: Partial<BuildOptions> = {}, files: Files = {}): Promise<HalError | undefined> {
  const dir = await workspace({ "p.yaml": yaml, ...files });
  const options = buildOptions({ backend: "buildroot", out: dir, release: true, ...said });
  try {
    await refuseUnreleasable(await resolve(join(dir, "p.yaml")), options);
    return undefined;
  } catch (error) {
    if (error instanceof HalError) return error;
    throw error;
  }
}

test("a profile that keeps every rule can be released with both backends", async () => {
  expect(await refusal(releasable + firmware)).toBeUndefined();
  expect(await refusal(releasable + firmware, { backend: "debian" })).toBeUndefined();
});

test("Debian's kernel runs the host's AML, which a release must accept where no register covers the tables", async () => {
  const sev = `${releasable.replace("extends: tdx", "extends: sev-snp").replace("[network]", "[]")}backends: !replace {}\n`;
  const pinned = "launch: {firmware: {package: ovmf-amdsev, version: 2025.02-8}, shares: !replace [], forwards: !replace []}\n";
  expect((await refusal(sev + pinned, { backend: "debian" }))?.message).toMatch(/no register covers the tables/);
  expect(await refusal(sev + pinned)).toBeUndefined();
  expect(await refusal(`${sev}${pinned}accept: [host-aml]\n`, { backend: "debian" })).toBeUndefined();
  expect(await refusal(releasable + firmware, { backend: "debian" })).toBeUndefined();
});

test("a unit with an option --login can be released", async () => {
  expect(await refusal(`${releasable}${firmware}${unit("ExecStart=/usr/bin/x --login")}\n`)).toBeUndefined();
});

test("without --release nothing is refused", async () => {
  expect(await refusal(`${releasable}debug: true\nssh: true\n`, { release: false })).toBeUndefined();
});

const layout = `apiVersion: hal/v1
kind: Layout
name: l
description: d
root: {type: verity, size: 1G}
rw: {size: 1G, mount: /rw, integrity: none}
`;

test.each<[what: string, more: string, message: RegExp, said?: Partial<BuildOptions>, files?: Files]>([
  ["debug", "debug: true", /a debug image cannot be released/],
  ["platform none", "platform: none", /platform none cannot be released: no hardware protects it/],
  ["features left out", "backends: {debian: {omit: [network]}}", /leaves out network/, { backend: "debian" }],
  ["no authentication", "layoutOptions: {integrity: none}", /the read-write partition is not authenticated/],
  ["no authentication in a layout", "layout: ./l.yaml", /the read-write partition is not authenticated/, {}, { "l.yaml": layout }],
  ["an unknown kernel parameter", "kernel: {cmdline: [vendor.option=1]}", /vendor\.option=1 is not known/],
  ["ssh", "ssh: true", /remote login/],
  ["an SSH server of Buildroot", "buildroot: {config: {BR2_PACKAGE_DROPBEAR: y}}", /remote login/],
  ["an SSH server of Debian", "debian: {packages: [openssh-server]}", /remote login/, { backend: "debian" }],
  ["a name of an SSH server", "debian: {packages: [tinysshd]}", /remote login/, { backend: "debian" }],
  ["a telnet server", "debian: {packages: [inetutils-telnetd]}", /remote login/, { backend: "debian" }],
  ["OpenSSH of Buildroot", "buildroot: {config: {BR2_PACKAGE_OPENSSH: y}}", /remote login/],
  ["the unit of an SSH server", "services: {enable: [ssh.service]}", /remote login/, { backend: "debian" }],
  ["its socket", "services: {enable: [ssh.socket]}", /remote login/, { backend: "debian" }],
  ["keys of a user", "files: [{path: /root/.ssh/authorized_keys, content: x}]", /authorized_keys decides who can log in/],
  ["keys of an SSH server", "overlays: [o]", /decides who can log in/, {}, { "o/etc/ssh/authorized_keys/root": "x" }],
  ["own PAM rules", "files: [{path: /etc/pam.d/login, content: x}]", /pam\.d\/login decides/],
  ["a user record", "overlays: [o]", /userdb\/a\.user decides/, {}, { "o/usr/lib/userdb/a.user": "{}" }],
  ["a preloaded library", "files: [{path: /etc/ld.so.preload, content: x}]", /ld\.so\.preload decides/],
  [
    "sudo without a password",
    "overlays: [o]",
    /rights of root without a password/,
    {},
    { "o/etc/sudoers.d/a": "a ALL=(ALL) NOPASSWD: ALL\n" },
  ],
  ["a symbol that a release does not know", "buildroot: {config: {BR2_CURL: evil}}", /BR2_CURL="evil" is not among the settings/],
  ["a weaker compiler", "buildroot: {config: {BR2_SSP_STRONG: n}}", /BR2_SSP_STRONG=n is not among/],
  ["no PIE", "buildroot: {config: {BR2_PIC_PIE: false}}", /BR2_PIC_PIE=n is not among/],
  ["a file for a package", "buildroot: {config: {BR2_PACKAGE_X_CONFIG: /srv/x}}", /BR2_PACKAGE_X_CONFIG="\/srv\/x" is not among/],
  ["a makefile", "buildroot: {localMk: x.mk}", /a makefile of the profile/, {}, { "x.mk": "BUSYBOX_OVERRIDE_SRCDIR = /usr" }],
  ["an own download site", "buildroot: {primarySite: 'file:///nowhere'}", /download site is a directory/],
  ["an own Buildroot", "", /--buildroot names a tree/, { buildroot: { tree: "/br" } }],
  ["an own archive", "debian: {mirror: 'file:///nowhere', snapshot: 20260101T000000Z}", /archive is a directory/, { backend: "debian" }],
  ["an own kernel archive without digest", "kernel: !replace {tarball: k.tar}", /digest of the kernel's source/, {}, { "k.tar": "x" }],
  ["access to memory", "kernel: {config: {CONFIG_DEVMEM: y}}", /CONFIG_DEVMEM=y undoes a line of .*hardening\.config/],
  ["modules", "kernel: {config: {CONFIG_MODULES: true}}", /CONFIG_MODULES=y undoes/],
  ["kexec in a fragment", "kernel: {fragments: [x.config]}", /CONFIG_KEXEC=y undoes/, {}, { "x.config": "CONFIG_KEXEC=y\n" }],
  ["no lockdown", "kernel: {config: {CONFIG_SECURITY_LOCKDOWN_LSM: n}}", /CONFIG_SECURITY_LOCKDOWN_LSM=n undoes/],
  ["writable kernel code", "kernel: {config: {CONFIG_STRICT_MODULE_RWX: n}}", /CONFIG_STRICT_MODULE_RWX=n weakens/],
  ["a debugger", "kernel: {config: {CONFIG_KGDB: y}}", /CONFIG_KGDB=y weakens/],
  ["an initramfs in the kernel", "kernel: {config: {CONFIG_INITRAMFS_SOURCE: /x}}", /CONFIG_INITRAMFS_SOURCE="\/x" weakens/],
  ["ACPI code of its own", "kernel: {config: {CONFIG_ACPI_CUSTOM_DSDT: y}}", /CONFIG_ACPI_CUSTOM_DSDT=y weakens/],
  ["no mitigations", "kernel: {config: {CONFIG_MITIGATION_RETPOLINE: n}}", /CONFIG_MITIGATION_RETPOLINE=n weakens/],
  [
    "no hardening of the kernel",
    "kernel: !replace {version: 6.12.91, sha256: 0ff2ab9e169f9f1948557471fbb450d3018f8c5b77caf288e1a3982582597969}",
    /no fragment sets CONFIG_EXPERT/,
  ],
  ["a password", `users: [{name: a, uid: 1000, password: $6$salt$${"a".repeat(86)}}]`, /user a has a password/],
  ["a set-user-ID file", 'files: [{path: /usr/bin/x, content: x, mode: "4755"}]', /\/bin\/x runs with the rights/],
  ["a set-group-ID file", 'files: [{path: /opt/x, content: x, mode: "2755"}]', /\/opt\/x runs with the rights/],
  ["an own /etc/shadow", "files: [{path: /etc/shadow, content: x}]", /\/etc\/shadow replaces/],
  ["an own init", "overlays: [o]", /\/sbin\/init replaces/, {}, { "o/usr/sbin/init": "x" }],
  ["an own preset", "overlays: [o]", /00-hal\.preset replaces/, {}, { "o/etc/systemd/system-preset/00-hal.preset": "x" }],
  ["a getty", "services: {enable: [serial-getty@ttyS0.service]}", /serial-getty@ttyS0\.service starts a shell or a login/],
  ["a debug shell", "services: {enable: [debug-shell.service]}", /debug-shell\.service starts/],
  ["a unit with a terminal", unit("ExecStart=/bin/sh\\nStandardInput=tty-force"), /a\.service starts/],
  ["a unit with another terminal", unit("ExecStart=/bin/sh\\nTTYPath=/dev/ttyS0"), /a\.service starts/],
  ["a unit with a login", unit("ExecStart=-/sbin/agetty ttyS0"), /a\.service starts/],
  [
    "a rescue shell",
    "overlays: [o]",
    /\/etc\/systemd\/system\/rescue\.service replaces/,
    {},
    { "o/etc/systemd/system/rescue.service": "" },
  ],
  [
    "a link to a getty",
    "overlays: [o]",
    /a\.service starts/,
    {},
    { "o/etc/systemd/system/a.service": "link:/lib/systemd/system/getty@.service" },
  ],
  [
    "a drop-in with a terminal",
    "overlays: [o]",
    /d\.conf starts/,
    {},
    { "o/lib/systemd/system/a.service.d/d.conf": "StandardInput = tty" },
  ],
  [
    "a firmware package without a version",
    "launch: {firmware: !replace {package: ovmf}}",
    /version of the firmware package ovmf is not fixed/,
  ],
  ["a firmware file that is not here", "launch: {firmware: !replace {path: nowhere.fd}}", /nowhere\.fd does not exist on this machine/],
  ["no snapshot", "debian: !replace {suite: trixie}", /state of Debian's archive is not fixed/, { backend: "debian" }],
  ["no digest of the kernel", "kernel: !replace {version: 6.12.91}", /digest of the kernel's source is not fixed/],
  ["an override", "buildroot: {overrides: {zlib: zlib}}", /source of zlib is a directory/, {}, { zlib: "dir:" }],
  ["an own toolchain", "buildroot: {toolchain: {external: tools}}", /toolchain is a directory/, {}, { tools: "dir:" }],
  ["any version of Buildroot", "", /--allow-version/, { buildroot: { allowVersion: true } }],
])("a release with %s is refused at its place", async (_, more, message, said = {}, files = {}) => {
  const top = more.split(":")[0] ?? "";
  // YAML has each key once: the row replaces a line of the profile.
  const base = (releasable + firmware).split("\n").filter((line) => !line.startsWith(`${top}:`) || top === "");
  const yaml = [...base, more].join("\n");
  const error = await refusal(yaml, said, files);
  expect(error).toMatchObject({ kind: "check", message: expect.stringMatching(message) });
  expect(error?.at?.file).toMatch(/\.(?:yaml|config)$/);
});

test("an SSH client of Buildroot can be released", async () => {
  const client = "buildroot: {config: {BR2_PACKAGE_OPENSSH: y, BR2_PACKAGE_OPENSSH_SERVER: n}}\n";
  expect(await refusal(releasable + firmware + client)).toBeUndefined();
});

test.each<[BackendName, string, boolean]>([
  ["debian", "openssh-server", true],
  ["debian", "dropbear-bin", true],
  ["debian", "openssh-client", false],
  ["debian", "libssh-4", false],
  ["buildroot", "dropbear", true],
  ["buildroot", "openssh", true],
])("the package set of %s with %s: refused %s", async (backend, name, isRefused) => {
  const dir = await workspace({ "p.yaml": releasable + firmware });
  const resolved = await resolve(join(dir, "p.yaml"));
  const judge = (release: boolean) => () =>
    refuseRemotePackages(resolved, buildOptions({ backend, out: dir, release }), [
      { name: "bash", version: "1" },
      { name, version: "1" },
    ]);
  if (isRefused) expect(judge(true)).toThrow(/remote login/);
  else expect(judge(true)).not.toThrow();
  expect(judge(false)).not.toThrow();
});

test.each(["sev-snp", "sev"])("a release of a UKI on %s is refused, unless a vTPM measures it", async (profile) => {
  const options = buildOptions({ backend: "buildroot", out: "/nowhere", release: true });
  await expect(refuseUnreleasable(await resolve(profile, { set: ["boot=uki"] }), options)).rejects.toMatchObject({
    kind: "check",
    message: expect.stringMatching(/no register measures the program that the firmware boots/),
  });
  const withVtpm = await resolve("sev-snp-ram", { set: ["boot=uki"] });
  expect(withVtpm.profile.launch.igvm).toBeDefined();
  await expect(refuseUnreleasable(withVtpm, options)).rejects.toMatchObject({
    message: expect.stringMatching(/does not exist on this machine/),
  });
});
