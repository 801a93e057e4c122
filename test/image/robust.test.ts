import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { expect, test } from "vitest";
import { halRoot } from "../../src/lib/paths.js";
import { build, emptyDir, hal, succeed } from "./harness.js";

test("kill -9 at ten times during a build never leaves an incomplete image, and the next build succeeds", async () => {
  const dir = await emptyDir("killed");
  const began = performance.now();
  await build("dev", ["--out", dir]);
  const whole = performance.now() - began;
  for (let kill = 1; kill <= 10; kill += 1) {
    const args = [
      join(halRoot, "dist/main.js"),
      "build",
      "--profile",
      "dev",
      "--backend",
      "debian",
      "--out",
      dir,
      "--set",
      `hostname=kill${kill}`,
    ];
    const child = spawn(process.execPath, args, { stdio: "ignore", detached: true, env: { ...process.env, CI: "true" } });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    await sleep((whole * (kill - 0.5)) / 10 + Math.random() * 200);
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
    // Publishing renames twice. Between them the old output is in .hal, and the next build restores it.
    const published = existsSync(join(dir, "dev")) ? join(dir, "dev") : join(dir, ".hal/dev.old");
    await succeed(["verify", published]);
  }
  await build("dev", ["--out", dir]);
  await succeed(["verify", join(dir, "dev")]);
  await rm(dir, { recursive: true, force: true });
});

test("a second build of a profile at the same time fails with the process that holds the lock", async () => {
  const dir = await emptyDir("locked");
  const first = build("dev", ["--out", dir]);
  await sleep(2000);
  const second = await hal(["build", "--profile", "dev", "--backend", "debian", "--out", dir]);
  expect(second.exitCode).toBe(4);
  expect(second.stderr).toMatch(/is being built by process [0-9]+/);
  await first;
  await rm(dir, { recursive: true, force: true });
});

test("a full disk: exit code 4, a clear message, and the old image is complete", async ({ skip }) => {
  skip(process.getuid?.() !== 0, "only root can mount a small disk");
  const dir = await emptyDir("full");
  await execa("mount", ["-t", "tmpfs", "-o", "size=4G", "tmpfs", dir]);
  try {
    await build("dev", ["--out", dir]);
    const { stdout } = await execa("df", ["--output=used", "--block-size=1M", dir]);
    const used = Number(stdout.split("\n")[1]);
    await execa("mount", ["-o", `remount,size=${used + 20}M`, dir]);
    const result = await hal(["build", "--profile", "dev", "--backend", "debian", "--out", dir, "--set", "hostname=full"]);
    expect(result.exitCode, result.stderr).toBe(4);
    expect(result.stderr).toMatch(/full|No space left/);
    expect(result.stderr).not.toMatch(/\bat .*\.js:\d+/);
    await succeed(["verify", join(dir, "dev")]);
  } finally {
    await execa("umount", [dir]);
  }
});

test("an rw partition of 3 TiB costs no time: build, verify, and the digest of what else is there", async () => {
  const dir = await emptyDir("large");
  const { manifest } = await build("dev", ["--out", dir, "--set", "layoutOptions.rwSize=3T"]);
  const disk = manifest.artifacts.find(({ name }) => name === "disk.img");
  expect(disk).toMatchObject({
    size: expect.any(Number),
    data: [
      [0, expect.any(Number)],
      [expect.any(Number), expect.any(Number)],
    ],
  });
  const began = performance.now();
  await succeed(["verify", join(dir, "dev")]);
  expect(performance.now() - began).toBeLessThan(60_000);
  const file = await open(join(dir, "dev/disk.img"), "r+");
  await file.write("host", 2 ** 41);
  await file.close();
  const { exitCode, stdout } = await hal(["verify", join(dir, "dev")]);
  expect(exitCode).toBe(5);
  expect(stdout).toMatch(/disk\.img.*contains bytes in a range that its digest does not cover/s);
  await rm(dir, { recursive: true, force: true });
});
