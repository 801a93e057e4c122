import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { expect } from "vitest";
import { halRoot } from "../../src/lib/paths.js";

/** Output directory of the image tests. It is in the source tree because /tmp may be too small for images. */
export const out = join(halRoot, "out/test");

export interface HalResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the compiled hal. */
export async function hal(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string; prefix?: readonly string[] } = {},
): Promise<HalResult> {
  const [tool = "", ...rest] = [...(options.prefix ?? []), process.execPath, join(halRoot, "dist/main.js"), ...args];
  const { exitCode, stdout, stderr } = await execa(tool, rest, {
    cwd: options.cwd ?? halRoot,
    env: { CI: "true", ...options.env },
    reject: false,
    maxBuffer: 1 << 28,
  });
  return { exitCode, stdout, stderr };
}

/** Runs hal and expects exit code 0. A failure shows both output streams. */
export async function succeed(args: readonly string[], options: Parameters<typeof hal>[1] = {}): Promise<HalResult> {
  const result = await hal(args, options);
  expect(result.exitCode, `hal ${args.join(" ")}\n${result.stdout}\n${result.stderr}`).toBe(0);
  return result;
}

/** Creates an empty directory in `out`. */
export async function emptyDir(name: string): Promise<string> {
  const dir = join(out, name);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  return dir;
}

interface BuildReport {
  readonly dir: string;
  readonly upToDate: boolean;
  readonly manifest: { readonly artifacts: readonly { readonly name: string; readonly sha256: string }[] };
}

/** Builds one profile with the debian backend and returns its report. */
export async function build(profile: string, args: readonly string[] = [], options: Parameters<typeof hal>[1] = {}): Promise<BuildReport> {
  const { stdout } = await succeed(["build", "--profile", profile, "--backend", "debian", "--out", out, "--json", ...args], options);
  const [report] = JSON.parse(stdout) as BuildReport[];
  if (report === undefined) throw new Error("no report");
  return report;
}
