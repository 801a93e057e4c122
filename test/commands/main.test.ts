import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canonicalJson } from "../../src/lib/digest.js";
import { halRoot } from "../../src/lib/paths.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { launchOf } from "../launch/fixture.js";

// Runs hal as a process: exit code, stdout, stderr, signals.
const words = ["--import", createRequire(import.meta.url).resolve("tsx"), join(halRoot, "src/main.ts")];
const hal = (...args: string[]) => execa(process.execPath, [...words, ...args], { reject: false, cwd: dir, stdin: "ignore" });
const shell = (script: string) => execa("bash", ["-c", script, "bash", process.execPath, ...words], { reject: false, cwd: dir });

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-main-"));
  await writeFile(
    join(dir, "manifest.json"),
    JSON.stringify(manifestOf({ artifacts: [{ name: "bzImage", size: 1, sha256: "0".repeat(64) }] })),
  );
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe("the process", () => {
  test("stdout has only results, stderr only errors", async () => {
    const listed = await hal("list", "--json");
    expect([listed.exitCode, listed.stderr]).toEqual([0, ""]);
    expect(JSON.parse(listed.stdout)).toBeInstanceOf(Array);
    const wrong = await hal("show", "--json", "sev-snpp");
    expect([wrong.exitCode, wrong.stdout]).toEqual([2, ""]);
    expect(wrong.stderr).toContain("did you mean 'sev-snp'?");
    const failed = await hal("verify", "--json", ".");
    expect([failed.exitCode, JSON.parse(failed.stdout)[0].ok]).toEqual([5, false]);
  });

  test("control characters in file names do not reach the terminal", async () => {
    const file = join(dir, "\x1b]0;owned\x07");
    await writeFile(file, "");
    const { stdout } = await hal("verify", ".");
    await rm(file);
    expect(stdout).toContain("\\x1b]0;owned\\x07");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the characters that must be escaped
    expect(stdout).not.toMatch(/[\x00-\x08\x0b-\x1f]/);
  });

  test("every wrong profile of several is reported", async () => {
    const { exitCode, stdout, stderr } = await hal("check", "nosuch", "dev", "sev-snpp");
    expect(exitCode).toBe(2);
    expect(stdout).toMatch(/^ok {2}dev /);
    expect(stderr).toMatch(/nosuch: there is no profile.*sev-snpp: there is no profile/s);
  });

  test("a reader that stops early does not change the exit code", async () => {
    expect((await shell('"$@" verify . | true; echo ${PIPESTATUS[0]}')).stdout).toBe("5");
    expect((await shell('"$@" verify . 2> >(true) >/dev/null; echo $?')).stdout).toBe("5");
    expect((await shell('"$@" list 2>&1 | head -1 >/dev/null; echo ${PIPESTATUS[0]}')).stdout).toBe("0");
  });

  test("an error reports output that cannot be written", async () => {
    expect(await shell('"$@" list >/dev/full')).toMatchObject({ exitCode: 4, stderr: "hal: cannot write the output: ENOSPC" });
  });

  test("an error of the operating system is not reported as a bug", async () => {
    expect(await hal("render", "dev", "-o", "manifest.json/x")).toMatchObject({ exitCode: 2, stderr: "manifest.json/x: not a directory" });
    expect(await hal("render", "dev", "-o", "x".repeat(300))).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/x: name too long$/),
    });
  });

  test("QEMU ends when hal is terminated", async () => {
    const image = await mkdtemp(join(dir, "image-"));
    await writeFile(join(image, "launch.json"), canonicalJson(await launchOf("dev")));
    for (const file of ["bzImage", "initramfs.cpio.gz", "disk.img"]) await writeFile(join(image, file), "");
    const bin = await mkdtemp(join(dir, "bin-"));
    const fake =
      '#!/bin/sh\ncase "$1" in --version) echo "version 9.0"; exit;; -help) exit;; esac\necho $$ >"$(dirname "$0")/pid"\nexec sleep 100\n';
    await writeFile(join(bin, "qemu-system-x86_64"), fake, { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, HAL_CACHE: join(dir, "cache") };
    const child = spawn(process.execPath, [...words, "run", image, "--accel", "tcg"], { env, stdio: "ignore" });
    const ended = once(child, "exit");
    for (let tries = 0; tries < 200 && !existsSync(join(bin, "pid")); tries++) await sleep(50);
    child.kill("SIGTERM");
    expect(await Promise.race([ended, sleep(8000, "still there")])).toEqual([130, null]);
    const pid = (await readFile(join(bin, "pid"), "utf8")).trim();
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("a command without clean-up ends at the first interrupt", async () => {
    await writeFile(join(dir, "large"), "");
    await truncate(join(dir, "large"), 2 ** 42);
    const machine = ["--memory", "2G", "--qemu-version", "10.0", "--firmware-version", "2025.02"];
    const args = ["measure", "--platform", "vtpm", "--initrd", "large", "--kernel", "large", "--cmdline", "x", ...machine];
    const child = spawn(process.execPath, [...words, ...args], { cwd: dir, stdio: "ignore" });
    const ended = once(child, "exit");
    await sleep(2000);
    child.kill("SIGINT");
    expect(await Promise.race([ended, sleep(5000, "still there")])).toEqual([null, "SIGINT"]);
    child.kill("SIGKILL");
  });
});
