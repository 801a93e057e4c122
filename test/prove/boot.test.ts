import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withoutTee } from "../../src/launch/without-tee.js";
import { boot } from "../../src/prove/boot.js";
import type { Subject } from "../../src/prove/image.js";
import { probedCmdline, prove } from "../../src/prove/prove.js";
import { resolve } from "../../src/resolve/resolve.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { launchOf } from "../launch/fixture.js";

/** Writes its command line to the first serial port, then resets the machine: a Multiboot kernel (specification 0.6.96) of 32-bit code. */
function talkingKernel(): Buffer {
  const base = 0x100000;
  const [magic, flags] = [0x1badb002, 0x10000]; // the addresses are in the header
  const header = [magic, flags, (-magic - flags) >>> 0, base, base, 0, 0, base + 32];
  const code = [
    ...[0x8b, 0x73, 0x10], // mov esi, [ebx + 16]: the command line
    ...[0xba, 0xf8, 0x03, 0, 0], // mov edx, 0x3f8
    ...[0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8], // lodsb; test al, al; jz out of the loop; out dx, al; again
    ...[0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd], // mov al, 0xfe; out 0x64, al: reset; hlt for ever
  ];
  const words = Buffer.alloc(32);
  for (const [index, word] of header.entries()) words.writeUInt32LE(word, 4 * index);
  return Buffer.concat([words, Buffer.from(code), Buffer.alloc(64)]);
}

let subject: Subject;
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), "hal-boot-"));
  await writeFile(join(dir, "bzImage"), talkingKernel());
  await writeFile(join(dir, "rootfs.cpio.gz"), "");
  const launch = withoutTee(await launchOf("sev-snp-ram"));
  const { layout, profile } = await resolve("sev-snp-ram");
  const promises = { name: "talking", debug: false, init: profile.init, ssh: false, layout, ports: [] };
  subject = { dir, launch: { ...launch, shares: [], memory: { size: "64M", bytes: 64 * 2 ** 20 } }, manifest: manifestOf({}), promises };
});
afterAll(() => rm(subject.dir, { recursive: true, force: true }));

test("a boot that breaks off shows what another one says on a console", async () => {
  const { console, record, checks } = await prove(subject, { accel: "tcg" });
  expect(record.ending).toBe("guest-reset");
  expect(record.console).not.toContain("console=ttyS0");
  expect(console).toMatch(/console=null quiet rdinit=\/hal-probe\/init no_timer_check console=ttyS0/);
  expect(checks.filter(({ ok }) => ok)).toEqual([]);
});

test("a QEMU that somebody stops says nothing about the image", async () => {
  const pidFile = join(subject.dir, "pid");
  const { kernel: _kernel, initrd: _initrd, ...launch } = subject.launch;
  const stopped = boot({
    launch: { ...launch, boot: "disk" }, // nothing to boot: the firmware waits for ever
    dir: subject.dir,
    initrd: undefined,
    cmdline: "",
    drives: {},
    extra: ["-pidfile", pidFile],
    accel: "tcg",
    seconds: 60,
    knock: true,
  });
  const killed = (async () => {
    for (let tries = 0; tries < 200; tries++) {
      const pid = Number(await readFile(pidFile, "utf8").catch(() => ""));
      if (pid > 0) {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        return process.kill(pid, "SIGTERM");
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return false;
  })();
  await expect(stopped).rejects.toMatchObject({
    kind: "command",
    message: "QEMU was stopped by a signal from outside",
    remedy: "test again",
  });
  expect(await killed).toBe(true);
});

test("under emulation, and only there, Linux does not test its timer; what is for init stays behind it", () => {
  expect(probedCmdline("quiet", { accel: "tcg" })).toBe("quiet rdinit=/hal-probe/init no_timer_check");
  expect(probedCmdline("quiet -- single", { accel: "tcg" })).toBe("quiet rdinit=/hal-probe/init no_timer_check -- single");
  expect(probedCmdline("quiet", { accel: "kvm" })).toBe("quiet rdinit=/hal-probe/init");
});
