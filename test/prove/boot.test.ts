import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withoutTee } from "../../src/launch/without-tee.js";
import { boot } from "../../src/prove/boot.js";
import { bootConfig, cmdlineWithProbe } from "../../src/prove/boot-config.js";
import type { ImageUnderTest } from "../../src/prove/image.js";
import { prove } from "../../src/prove/prove.js";
import { resolve } from "../../src/resolve/resolve.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { launchOf } from "../launch/fixture.js";

const COM1 = 0x3f8;
const COM2 = 0x2f8;

const TEXT_OFFSET = 96;

/** A Multiboot kernel (specification 0.6.96) of 32-bit code. It writes its command line, or a text, to a serial port and resets the machine. */
function serialKernel(port: number, text?: string): Buffer {
  const base = 0x100000;
  const [magic, flags] = [0x1badb002, 0x10000]; // the header contains the load addresses
  const header = [magic, flags, (-magic - flags) >>> 0, base, base, 0, 0, base + 32];
  const code = [
    ...(text === undefined ? [0x8b, 0x73, 0x10] : [0xbe, TEXT_OFFSET, 0, 0x10, 0]), // mov esi, [ebx + 16]: the command line; or: the text
    ...[0xba, port & 0xff, port >> 8, 0, 0], // mov edx, port
    ...[0xac, 0x84, 0xc0, 0x74, 3, 0xee, 0xeb, 0xf8], // lodsb; test al, al; jz out of the loop; out dx, al; again
    ...[0xb9, 0, 0, 0, 0x10, 0xe2, 0xfe], // mov ecx, 0x10000000; loop: time for the host to read the port
    ...[0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd], // mov al, 0xfe; out 0x64, al: reset; hlt for ever
  ];
  const words = Buffer.alloc(32);
  for (const [index, word] of header.entries()) words.writeUInt32LE(word, 4 * index);
  const image = Buffer.alloc(TEXT_OFFSET + 64);
  image.set([...words, ...code]);
  image.write(text ?? "", TEXT_OFFSET);
  return image;
}

let image: ImageUnderTest;
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), "hal-boot-"));
  await writeFile(join(dir, "bzImage"), serialKernel(COM1));
  await writeFile(join(dir, "rootfs.cpio.gz"), "");
  const described = await launchOf("sev-snp-ram");
  const { layout, profile } = await resolve("sev-snp-ram");
  const promises = { name: "serial", debug: false, init: profile.init, ssh: false, hostAml: "runs" as const, layout, ports: [] };
  const launch = { ...withoutTee(described), shares: [], memory: { size: "64M", bytes: 64 * 2 ** 20 } };
  image = { dir, described, launch, manifest: manifestOf({}), promises };
});
afterAll(() => rm(image.dir, { recursive: true, force: true }));

test("if the boot does not complete, a second boot has a console", async () => {
  const { console, checks } = await prove(image, { accel: "tcg" });
  const found = (name: string) => checks.find((check) => check.name === name)?.found;
  expect(found("probe report complete")).toBe("not reported, guest reset");
  expect(found("no console output")).not.toContain("console=ttyS0");
  expect(console).toMatch(/console=null quiet rdinit=\/hal-probe\/init no_timer_check console=ttyS0/);
  expect(checks.filter(({ ok }) => ok)).toEqual([]);
});

test("an error while the host changes the disk is the error of the boot", async () => {
  await writeFile(join(image.dir, "report"), serialKernel(COM2, "tamper=ready\n"));
  const config = bootConfig(image, { accel: "tcg" });
  const kernel = { ...image.launch.kernel, path: "report", size: 1, sha256: "0".repeat(64) };
  const tamper = () => Promise.reject(new Error("cannot change the disk"));
  const started = boot({ ...config, launch: { ...config.launch, kernel }, drives: {}, initrd: undefined, tamper });
  await expect(started).rejects.toThrow("cannot change the disk");
});

test("a boot fails if another process stops QEMU", async () => {
  const pidFile = join(image.dir, "pid");
  const { kernel: _kernel, initrd: _initrd, ...launch } = image.launch;
  const stopped = boot({
    launch: { ...launch, boot: "disk" }, // no disk: the firmware waits for ever
    dir: image.dir,
    initrd: undefined,
    cmdline: "",
    drives: {},
    extra: ["-pidfile", pidFile],
    accel: "tcg",
    seconds: 60,
    typeAtConsole: true,
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
    message: "another process stopped QEMU with a signal",
    remedy: "run the test again",
  });
  expect(await killed).toBe(true);
});

test("only under TCG the kernel skips its timer check; arguments of init stay at the end", () => {
  expect(cmdlineWithProbe("quiet", { accel: "tcg" })).toBe("quiet rdinit=/hal-probe/init no_timer_check");
  expect(cmdlineWithProbe("quiet -- single", { accel: "tcg" })).toBe("quiet rdinit=/hal-probe/init no_timer_check -- single");
  expect(cmdlineWithProbe("quiet", { accel: "kvm" })).toBe("quiet rdinit=/hal-probe/init");
});
