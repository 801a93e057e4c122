import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Layout } from "../../src/model/generated.js";
import { SMBIOS_UUID } from "../../src/prove/boot.js";
import type { Evidence } from "../../src/prove/checks/check.js";
import { evaluate } from "../../src/prove/checks/index.js";
import { consoleOutput } from "../../src/prove/console.js";
import { figuresOf, listeners, mountAt, parseFacts } from "../../src/prove/facts.js";
import type { ImagePromises } from "../../src/prove/image.js";
import { hardenedLayout as layout, hardenedPromises as promises } from "./promises.js";

// The probe's report of a boot of profile dev, debian backend.
const recorded = await readFile(join(import.meta.dirname, "recorded/busybox.txt"), "utf8");
const roothash = /roothash=([0-9a-f]{64})/.exec(recorded)?.[1] ?? "";

const silent = "\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1.16.2)\r\nBooting from ROM...\r\n\x1bc\x1b[?7l\x1b[2J";

function evidence(text = recorded, change: Partial<Evidence> = {}): Evidence {
  return { facts: parseFacts(text), console: silent, ending: "guest-shutdown", disk: { rw: [], swap: [] }, ...change };
}

/** The names of the failed checks. */
const failed = (promised: ImagePromises, seen: Evidence): string[] =>
  evaluate(promised, seen)
    .filter(({ ok }) => !ok)
    .map(({ name }) => name);

test("a debug image must have a console login and a root without a password", () => {
  const debug = { ...promises, debug: true };
  const open = recorded
    .replace("process=/proc/1|", "process=/proc/9|1088|/usr/bin/busybox|/sbin/getty -L ttyS0\nprocess=/proc/1|")
    .replace("account=root|locked", "account=root|empty");
  expect(failed(debug, evidence(open))).toEqual([]);
  expect(failed({ ...debug, init: "systemd" }, evidence(`${open}login=/bin/login\n`))).not.toContain("console login enabled");
  expect(failed({ ...debug, init: "systemd" }, evidence(open))).toContain("console login enabled");
  expect(failed(debug, evidence())).toEqual(["console login enabled", "root login without password"]);
});

test("an image that keeps its promises passes every check", () => {
  const checks = evaluate(promises, evidence());
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  expect(checks.length).toBeGreaterThan(20);
});

/** Each weakness: the change in the report, and the checks that must fail. */
const weaknesses: readonly (readonly [weakness: string, from: RegExp, to: string, fails: readonly string[]])[] = [
  ["a service failed", /^state=settled$/m, "state=degraded", ["startup complete"]],
  ["the probe did not finish", /^end=ok\n/m, "", ["probe report complete"]],
  [
    "root is the bare partition",
    /^(mount=\d+ 1 )253:0( .*) \/dev\/mapper\/root /m,
    "$18:1$2 /dev/sda1 ",
    ["root is verified", "root is read-only"],
  ],
  ["root is a linear mapping", /verity 1 8:1 8:2 4096.*/, "linear 8:1 0", ["root is verified", "root hash"]],
  ["another root hash is enforced", new RegExp(`(sha256) ${roothash}`), `$1 ${"0".repeat(64)}`, ["root hash"]],
  [
    "root is mounted read-write",
    /ro,nodev,relatime - ext4 \/dev\/mapper\/root ro/,
    "rw,nodev,relatime - ext4 /dev/mapper/root rw",
    ["root is read-only"],
  ],
  ["the mapping is writable", /^(dm=dm-0\|.*)\|1\|/m, "$1|0|", ["root is read-only"]],
  ["a write to the root succeeds", /write-root\|refused\|.*/, "write-root|allowed|", ["write to / refused"]],
  ["a write succeeds after a remount", /write-remounted\|refused\|.*/, "write-remounted|allowed|", ["write after remount refused"]],
  ["the mapping takes writes", /write-device\|refused\|.*/, "write-device|allowed|", ["write to root device refused"]],
  ["the probe did not attempt a write", /^attempt=write-usr.*\n/m, "", ["write to /usr refused"]],
  ["rw on the bare partition", /253:2 (\/ \/rw .*)\/dev\/mapper\/rw/, "8:3 $1/dev/sda3", ["/rw is encrypted", "/rw is authenticated"]],
  ["rw with a null cipher", /crypt capi:authenc\S+/, "crypt cipher_null-ecb", ["/rw is encrypted"]],
  ["rw without authentication tags", / integrity:32:aead/, "", ["/rw is authenticated"]],
  ["rw allows set-user-id programs", /(\/ \/rw rw),nosuid/, "$1", ["/rw mount options"]],
  ["rw allows programs", /(\/ \/rw rw,nosuid,nodev),noexec/, "$1", ["/rw mount options"]],
  ["/var allows programs", /(\/var \/var rw,nosuid,nodev),noexec/, "$1", ["/var mount options"]],
  ["/var is not on the rw partition", /^mount=.* \/var .*\n/m, "", ["/var mount options"]],
  ["a program on rw ran", /run-rw\|refused\|.*/, "run-rw|allowed|", ["programs on /rw refused"]],
  ["the probe did not start a program on rw", /^attempt=run-rw.*\n/m, "", ["programs on /rw refused"]],
  ["files are missing after load", /^load=25600/m, "load=25599", ["storage under load"]],
  ["directories are missing after load", /^(load=25600)\|4096/m, "$1|0", ["storage under load"]],
  ["no data after load", /^(load=25600\|4096)\|\d+/m, "$1|0", ["storage under load"]],
  ["an error under load", /^(load=25600\|4096\|\d+)\|0\|/m, "$1|1|file 3.2.1", ["storage under load"]],
  ["an error of the disk in the kernel's log", /^end=ok/m, "disk-error=INTEGRITY AEAD ERROR\nend=ok", ["storage under load"]],
  ["no load", /^load=.*\n/m, "", ["storage under load"]],
  ["the marker was not written", /^marker=rw\n/m, "", ["/rw: no plaintext on disk"]],
  ["swap on the bare partition", /^swap=\/dev\/mapper\/swap/m, "swap=/dev/sda4", ["swap is encrypted"]],
  ["no swap at all", /^swap=\/dev\/mapper.*\n/m, "", ["swap is encrypted"]],
  ["swap without a cipher", /(swap: 0 \d+ crypt) aes-xts-plain64/, "$1 cipher_null-ecb", ["swap is encrypted"]],
  ["programs run from /tmp", /(\/ \/tmp rw,nosuid,nodev),noexec/, "$1", ["/tmp is tmpfs"]],
  ["/tmp on the rw partition", /(\/ \/tmp .*) - tmpfs tmpfs/, "$1 - ext4 /dev/mapper/rw", ["/tmp is tmpfs"]],
  ["/tmp has no useful size limit", /(\/ \/tmp .*)size=\d+k/, "$1size=990000k", ["/tmp is tmpfs"]],
  ["the execution area can be swapped out", /(\/run\/exec .*),noswap/, "$1", ["/run/exec is tmpfs"]],
  ["the execution area is missing", /^mount=.* \/run\/exec .*\n/m, "", ["/run/exec is tmpfs"]],
  ["a listener on all addresses", /^end=ok/m, "tcp=   0: 00000000:1F90 00000000:0000 0A 0 0 0\nend=ok", ["no unexpected open ports"]],
  [
    "a listener on IPv6",
    /^end=ok/m,
    `tcp6=   0: ${"0".repeat(32)}:0016 ${"0".repeat(32)}:0000 0A 0 0 0\nend=ok`,
    ["no unexpected open ports"],
  ],
  ["an open UDP port", /^end=ok/m, "udp=   0: 0F02000A:0035 00000000:0000 07 0 0 0\nend=ok", ["no unexpected open ports"]],
  ["a getty", /^end=ok/m, "process=/proc/77|1088|/usr/sbin/agetty|/sbin/agetty -o -p -- \\u ttyS0\nend=ok", ["no login program"]],
  ["a getty of BusyBox", /^end=ok/m, "process=/proc/77|1088|/usr/bin/busybox|getty 115200 ttyS0\nend=ok", ["no login program", "no shell"]],
  ["an SSH server", /^end=ok/m, "process=/proc/77|0|/usr/sbin/sshd|sshd: /usr/sbin/sshd -D\nend=ok", ["no login program"]],
  ["a shell on a terminal", /^end=ok/m, "process=/proc/77|1088|/usr/bin/dash|/bin/sh\nend=ok", ["no shell"]],
  ["root without a password", /^account=root\|locked/m, "account=root|empty", ["all accounts locked"]],
  ["root with a password", /^account=root\|locked/m, "account=root|password", ["all accounts locked"]],
  ["the accounts are not reported", /^account=.*\n/gm, "", ["all accounts locked"]],
  ["the processes are not reported", /^process=.*\n/gm, "", ["no login program", "no shell"]],
  ["modules can be loaded", /^sysctl=modules_disabled=1/m, "sysctl=modules_disabled=0", ["module loading disabled"]],
  [
    "the kernel reads a module before it refuses it",
    /load-module\|refused\|.*/,
    "load-module|refused|insmod: can't insert '/observe': invalid module format",
    ["module loading disabled"],
  ],
  ["lockdown is off", /lockdown=none \[integrity\]/, "lockdown=[none] integrity", ["kernel lockdown"]],
  ["lockdown is not reported", /^sys=kernel\/security.*\n/m, "", ["kernel lockdown"]],
  ["the host gets crash logs", /kmsg_bytes=0/, "kmsg_bytes=10240", ["no crash log for the host"]],
  ["the size of crash logs is not reported", /^sys=module\/pstore.*\n/m, "", ["no crash log for the host"]],
  ["SysRq is enabled", /^sysctl=sysrq=0/m, "sysctl=sysrq=438", ["SysRq disabled"]],
];

describe("each weakness fails its checks and no others", () => {
  test.each(weaknesses)("%s", (_weakness, from, to, fails) => {
    const weak = recorded.replace(from, to);
    expect(weak).not.toBe(recorded);
    expect(failed(promises, evidence(weak))).toEqual(fails);
  });

  test.each<[string, Partial<Evidence>, string[]]>([
    ["plaintext on the rw partition", { disk: { rw: ["marker at 0x1000"], swap: [] } }, ["/rw: no plaintext on disk"]],
    ["an ext4 superblock on the rw partition", { disk: { rw: ["ext4"], swap: [] } }, ["/rw: no plaintext on disk"]],
    ["plaintext on the swap partition", { disk: { rw: [], swap: ["swap"] } }, ["swap: no plaintext on disk"]],
    ["a LUKS header on the disk", { disk: { rw: ["luks"], swap: [] } }, ["no LUKS header on disk"]],
    ["kernel messages on the console", { console: `${silent}[    0.000000] Linux version 6.12\r\n` }, ["no console output"]],
    ["a shell on the console", { console: `${silent}\r\nhal-shell-42\r\n` }, ["no shell", "no console output"]],
    ["a guest that does not power off", { ending: "killed" }, ["probe report complete"]],
  ])("%s", (_weakness, change, fails) => {
    expect(failed(promises, evidence(recorded, change))).toEqual(fails);
  });

  test("every check fails without a complete report", () => {
    expect(evaluate(promises, evidence("")).filter(({ ok }) => ok)).toEqual([]);
    const started = recorded.slice(0, recorded.indexOf("init="));
    expect(evaluate(promises, evidence(started.replace("stage=facts\n", ""))).filter(({ ok }) => ok)).toEqual([]);
  });
});

describe("is not a weakness", () => {
  test.each([
    ["the forwarded port", "tcp=   0: 00000000:1B5A 00000000:0000 0A 0 0 0"],
    ["a resolver on loopback", "tcp=   0: 3500007F:0035 00000000:0000 0A 0 0 0"],
    ["loopback in IPv6", "tcp6=   0: 00000000000000000000000001000000:0277 0:0 0A 0 0 0"],
    ["a DHCP client", "udp=   0: 0F02000A:0044 00000000:0000 07 0 0 0"],
    ["an established connection", "tcp=   0: 0F02000A:1F90 0202000A:1234 01 0 0 0"],
    ["a network manager's ICMPv6 socket", `raw6=  144: ${"0".repeat(32)}:003A ${"0".repeat(32)}:0000 07 0 0 0`],
    ["a service that is a script", "process=/proc/77|0|/usr/bin/dash|/bin/sh /usr/bin/agent"],
  ])("%s", (_what, line) => {
    expect(failed(promises, evidence(recorded.replace("end=ok", `${line}\nend=ok`)))).toEqual([]);
  });

  test("an SSH server where the profile has one", () => {
    const line = "tcp=   0: 00000000:0016 00000000:0000 0A 0 0 0\nprocess=/proc/77|0|/usr/sbin/sshd|sshd: /usr/sbin/sshd -D";
    expect(failed({ ...promises, ssh: true }, evidence(recorded.replace("end=ok", `${line}\nend=ok`)))).toEqual([]);
  });

  test("a layout without integrity needs no authentication", () => {
    const plain = {
      ...promises,
      layout: { ...layout, rw: { size: "1G", integrity: "none" as const, mount: "/rw", exec: false, binds: [] } },
    };
    expect(failed(plain, evidence(recorded.replace(" integrity:32:aead", "")))).toEqual([]);
  });
});

test.each([
  ["a credential", "credential=hal-proof"],
  ["SMBIOS", "offered=/sys/firmware/dmi"],
  ["the UUID of SMBIOS as machine id", `machine-id=${SMBIOS_UUID.replaceAll("-", "")}`],
  ["a variable of the environment", "manager=HAL_PROOF=taken"],
])("settings of the host must not be used, and the probe must look for them: %s", (_what, line) => {
  const running: ImagePromises = { ...promises, init: "systemd" };
  expect(failed(running, evidence(recorded))).not.toContain("no host settings used");
  expect(failed(running, evidence(recorded.replace("credentials=seen", `${line}\ncredentials=seen`)))).toContain("no host settings used");
  expect(failed(running, evidence(recorded.replace("credentials=seen\n", "")))).toContain("no host settings used");
});

test("a root in RAM has its own checks", () => {
  const ram: Layout = { ...layout, root: { type: "ram", size: "1G" } };
  const { rw: _rw, swap: _swap, ...rest } = ram;
  const text = recorded
    .replace(/^mount=\d+ 1 253:0 .*$/m, "mount=1 1 0:2 / / rw shared:1 - rootfs rootfs rw")
    .replace(/^swap=\/dev.*\n/m, "");
  expect(failed({ ...promises, layout: rest }, evidence(text, { disk: undefined }))).toEqual([]);
  expect(failed({ ...promises, layout: rest }, evidence(recorded, { disk: undefined }))).toEqual(["root is in RAM", "no swap"]);
});

describe("the report of the probe", () => {
  test("a line without its end is ignored", () => {
    expect([...parseFacts("a=1\nb=2\nc=hal").keys()]).toEqual(["a", "b"]);
  });

  test("the later of two mounts on a directory counts", () => {
    const facts = parseFacts("mount=1 0 8:1 / /x rw - ext4 /dev/sda1 rw\nmount=2 1 0:9 / /x ro - tmpfs tmpfs ro\n");
    expect(mountAt(facts, "/x")?.type).toBe("tmpfs");
  });

  test("IPv4-mapped loopback is loopback", () => {
    const facts = parseFacts(
      "tcp6=0: 0000000000000000FFFF00000100007F:0050 0:0 0A\ntcp6=0: 0000000000000000FFFF00000F02000A:0050 0:0 0A\n",
    );
    expect(listeners(facts).map(({ loopback }) => loopback)).toEqual([true, false]);
  });

  test("boot times and memory", () => {
    const { initSeconds, readySeconds, memoryUsed, memoryTotal } = figuresOf(parseFacts(recorded));
    expect(initSeconds).toBeGreaterThan(1);
    expect(readySeconds).toBeGreaterThan(initSeconds ?? Number.POSITIVE_INFINITY);
    expect(memoryUsed).toBeGreaterThan(20e6);
    expect(memoryUsed).toBeLessThan((memoryTotal ?? 0) / 4);
  });

  test("the console output excludes firmware and terminal controls", () => {
    expect(consoleOutput(silent)).toBe("");
    expect(consoleOutput("Booting from ROM..\x1b[5;1H\r\n.")).toBe("");
    expect(consoleOutput(`${silent}\x1b[32mhal: \x1b[0mroot: failed\r\n`)).toBe("hal: root: failed");
  });
});
