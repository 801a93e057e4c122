import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { type Command, cleanEnvironment, type RunOptions, runCommand } from "../lib/tools.js";
import { type DotConfig, formatConfigLine, readDotConfig } from "./dotconfig.js";

export interface ResolvedConfig {
  readonly path: string;
  readonly text: string;
  readonly config: DotConfig;
  /** What Kconfig itself said while it resolved: `file:line:warning: …`. */
  readonly warnings: readonly string[];
}

export interface BuildrootConfigInput {
  readonly buildroot: string;
  readonly externals: readonly string[];
  readonly defconfig: string;
  /** Buildroot's `O=`. Reused, it keeps the compiled `conf`: 1.0 s the first time, 0.2 s afterwards. */
  readonly output: string;
  /** Buildroot's make when it sees these directories elsewhere; by default it sees them where they are. */
  readonly command?: Command;
}

/** What make cannot have in a path, whatever the quoting: it splits words and expands `$`. */
const UNSAFE_PATH = /[\s:$#%'"\\]/;

/**
 * Buildroot's own `make defconfig`, which reads the tree only and writes to the output directory only.
 * @throws HalError "input" for paths that make cannot have or that are no Buildroot, "command" when make fails
 */
export async function resolveBuildrootConfig(input: BuildrootConfigInput, options: RunOptions = {}): Promise<ResolvedConfig> {
  const buildroot = resolve(input.buildroot);
  const output = resolve(input.output);
  const defconfig = resolve(input.defconfig);
  const externals = input.externals.map((path) => resolve(path));
  if (input.command === undefined) for (const path of [buildroot, output, defconfig, ...externals]) checkPath(path);
  await expectFile(join(buildroot, "Config.in"), "a Buildroot tree");
  for (const external of externals) await expectFile(join(external, "external.desc"), "an external tree (BR2_EXTERNAL)");
  await expectFile(defconfig, "a defconfig");
  await mkdir(output, { recursive: true });
  const plain: Command = {
    tool: "make",
    args: ["-C", buildroot, `O=${output}`, `BR2_EXTERNAL=${externals.join(":")}`, `BR2_DEFCONFIG=${defconfig}`, "defconfig"],
    env: cleanEnvironment(),
  };
  const result = await runCommand(input.command ?? plain, options);
  return readResolved(join(output, ".config"), "", result.stderr);
}

/** What Buildroot's make gives Kconfig in its environment, for reading its Config.in files after a resolve in `output`. */
export async function buildrootEnvironment(buildroot: string, output: string): Promise<Record<string, string>> {
  const makefile = await readFile(join(buildroot, "Makefile"), "utf8");
  const version = /^export BR2_VERSION := (\S+)/m.exec(makefile)?.[1] ?? "";
  // HOST_GCC_VERSION and HOSTARCH only feed symbols that the resolved .config has as well.
  return { BASE_DIR: resolve(output), BR2_VERSION_FULL: version };
}

export interface KernelConfigInput {
  /** The kernel's source tree, never built in itself. */
  readonly source: string;
  /** The kernel's ARCH: `x86_64`. */
  readonly arch: string;
  /** The base configuration and the fragments, in order: of two lines for a symbol the later one holds. */
  readonly fragments: readonly DotConfig[];
  readonly output: string;
}

/** The kernel's own `make olddefconfig` on the merged fragments. */
export async function resolveKernelConfig(input: KernelConfigInput, options: RunOptions = {}): Promise<ResolvedConfig> {
  const source = resolve(input.source);
  const output = resolve(input.output);
  for (const path of [source, output]) checkPath(path);
  await expectFile(join(source, "Kconfig"), "a Linux source tree");
  await mkdir(output, { recursive: true });
  const path = join(output, ".config");
  await writeFile(path, mergeFragments(input.fragments));
  const result = await runCommand(
    { tool: "make", args: ["-C", source, `O=${output}`, `ARCH=${input.arch}`, "olddefconfig"], env: cleanEnvironment() },
    options,
  );
  return readResolved(path, "CONFIG_", result.stderr);
}

/**
 * One text with one line for each symbol, the last that asks: what Buildroot's
 * support/kconfig/merge_config.sh -m makes of the same files.
 */
export function mergeFragments(fragments: readonly DotConfig[]): string {
  const merged = new Map(fragments.flatMap(({ lines }) => lines).map((line) => [line.symbol, formatConfigLine(line)]));
  return [...merged.values()].map((line) => `${line}\n`).join("");
}

async function readResolved(path: string, prefix: string, stderr: string): Promise<ResolvedConfig> {
  const text = await readFile(path, "utf8");
  const warnings = stderr.split("\n").filter((line) => /:\d+:\s*warning:/.test(line));
  return { path, text, config: readDotConfig(text, path, prefix), warnings };
}

function checkPath(path: string): void {
  const bad = UNSAFE_PATH.exec(path)?.[0];
  if (bad === undefined) return;
  throw new HalError("input", `make cannot work with a path that has '${bad}' in it`, {
    at: { file: path },
    remedy: "move or link it elsewhere",
  });
}

async function expectFile(path: string, what: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new HalError("input", `this is not ${what}: the file does not exist`, { at: { file: path }, cause });
  }
}
