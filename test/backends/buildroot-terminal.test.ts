import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { stage, workDirOf } from "../../src/build/publish.js";
import { hostTools } from "../../src/lib/host-tools.js";
import { halRoot } from "../../src/lib/paths.js";
import { findTool, formatCommand } from "../../src/lib/tools.js";
import { resolve } from "../../src/resolve/resolve.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "hal-terminal-"));
  vi.stubEnv("HAL_CACHE", join(dir, "cache"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

/** A directory that looks like Buildroot, with the given Makefile; make is the real one. */
async function tree(makefile: string): Promise<string> {
  const { version } = (await resolve("dev")).profile.buildroot;
  const buildroot = join(dir, "buildroot");
  mkdirSync(buildroot);
  writeFileSync(join(buildroot, "Config.in"), "");
  writeFileSync(join(buildroot, "Makefile"), `export BR2_VERSION := ${version}\n${makefile}`);
  return buildroot;
}

/** Runs hal on a terminal and presses Ctrl-C as soon as it shows `text`; or runs more commands of the shell behind it. */
async function interrupted(
  args: readonly string[],
  text: string,
  then = "",
): Promise<{ readonly shown: string; readonly exitCode: unknown }> {
  const hal = formatCommand({ tool: process.execPath, args: ["--import", "tsx", join(halRoot, "src/main.ts"), ...args] });
  const script = ["--quiet", "--return", "--command", `stty rows 40 cols 200; ${then === "" ? "exec " : ""}${hal}${then}`, "/dev/null"];
  const env = { ...process.env, SHELL: "/bin/bash", BR2_DL_DIR: join(dir, "dl"), TERM: "xterm", CI: "false" };
  const child = spawn("script", script, { cwd: halRoot, env, stdio: ["pipe", "pipe", "inherit"] });
  let shown = "";
  let pressed = false;
  child.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
    if (pressed || !shown.includes(text)) return;
    pressed = true;
    if (then === "") child.stdin.write("\x03");
  });
  const [exitCode] = await once(child, "close");
  return { shown, exitCode };
}

const missing: string[] = [];
for (const { tool, stage } of hostTools) if (stage === "buildroot" && (await findTool(tool)) === undefined) missing.push(tool);

it("Ctrl-C in hal build removes the staging directory and releases the lock", async ({ skip }) => {
  skip(missing.length > 0, `hal build --backend buildroot needs ${missing.join(", ")}`);
  const buildroot = await tree("defconfig:\n\t@sleep 60\n");
  const out = join(dir, "out");
  const build = ["build", "--profile", "dev", "--backend", "buildroot", "--buildroot", buildroot, "-o", out];
  const { shown, exitCode } = await interrupted(build, "configuring");
  expect(shown).toContain("hal: interrupted");
  expect(exitCode).toBe(130);
  expect(existsSync(join((await workDirOf(out, "dev")) ?? "", "buildroot"))).toBe(true);
  expect(existsSync(join(out, ".hal/dev.new"))).toBe(false);
  expect(readFileSync(join(out, ".hal/dev.lock"), "utf8")).toBe("");
});

it("Ctrl-C in hal make goes to make, and hal waits until make ends", async () => {
  const buildroot = await tree("all:\n\t@trap 'sleep 0.5; echo put away; exit 3' INT; echo it began; while :; do sleep 0.1; done\n");
  const staging = await stage(join(dir, "out"), "dev");
  mkdirSync(staging.externalTree);
  writeFileSync(join(staging.externalTree, "external.desc"), "");
  await staging.release();
  const make = ["make", "dev", "--buildroot", buildroot, "-o", join(dir, "out"), "--", "-s", "all"];
  const { shown, exitCode } = await interrupted(make, "it began");
  expect(shown).toMatch(/it began.*put away.*make was interrupted/s);
  expect(exitCode).toBe(130);
});

it("make has a terminal of its own, so that it cannot type into the caller's", async ({ skip }) => {
  skip(readFileSync("/proc/sys/dev/tty/legacy_tiocsti", "utf8").trim() !== "1", "this kernel has no TIOCSTI");
  // ioctl(2) with TIOCSTI, 0x5412, types one character into the terminal.
  const type = `perl -e 'ioctl(STDIN, 0x5412, $$_) for split //, "echo TYPED\\n"'`;
  const buildroot = await tree(`all:\n\t@${type} && echo it typed\n`);
  const staging = await stage(join(dir, "out"), "dev");
  mkdirSync(staging.externalTree);
  writeFileSync(join(staging.externalTree, "external.desc"), "");
  await staging.release();
  const make = ["make", "dev", "--buildroot", buildroot, "-o", join(dir, "out"), "--", "-s", "all"];
  const { shown } = await interrupted(make, "it typed", '; IFS= read -r -t 2 line; echo "after: $line"');
  expect(shown).toContain("it typed");
  expect(shown).not.toMatch(/after: .*TYPED/);
});
