import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { HalError } from "../lib/errors.js";
import { inSandbox, type Sandbox } from "../lib/namespace.js";
import { readRegular } from "../lib/regular-file.js";
import { type Command, cleanEnvironment, type RunOptions, runCommand } from "../lib/tools.js";
import { type DotConfig, formatConfigLine, readDotConfig } from "./dotconfig.js";

export interface ResolvedConfig {
  readonly path: string;
  readonly text: string;
  readonly config: DotConfig;
  /** Kconfig's own warnings: `file:line:warning: …`. */
  readonly warnings: readonly string[];
}

export interface BuildrootConfigInput {
  readonly buildroot: string;
  readonly externals: readonly string[];
  readonly defconfig: string;
  /** Buildroot's `O=`. A second run in the same directory reuses the compiled `conf`: 0.2 s instead of 1.0 s. */
  readonly output: string;
  /** The make command, when it sees the directories at other paths. */
  readonly command?: Command;
}

/** Characters that no quoting protects from make in a path: it splits words and expands `$`. */
const UNSAFE_PATH = /[\s:$#%'"\\]/;

/**
 * Runs Buildroot's `make defconfig`. It only reads the tree and only writes to the output directory.
 * @throws HalError "input" for a path that make cannot handle or that is not a Buildroot tree, "command" when make fails
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
  // The make files of an external tree are programs.
  const sandbox: Sandbox = { ids: "one", read: [buildroot, defconfig, ...externals], write: [output] };
  const result = await runCommand(input.command ?? inSandbox(plain, sandbox), options);
  return readResolved(join(output, ".config"), "", result.stderr);
}

/** The environment that Buildroot's make sets for Kconfig, for reading its Config.in files after a run in `output`. */
export async function buildrootEnvironment(buildroot: string, output: string): Promise<Record<string, string>> {
  const makefile = await readFile(join(buildroot, "Makefile"), "utf8");
  const version = /^export BR2_VERSION := (\S+)/m.exec(makefile)?.[1] ?? "";
  // HOST_GCC_VERSION and HOSTARCH are left out: the resolved .config has the symbols that depend on them.
  return { BASE_DIR: resolve(output), BR2_VERSION_FULL: version };
}

export interface KernelConfigInput {
  /** The kernel's source tree. The build writes to `output` only. */
  readonly source: string;
  /** The kernel's ARCH, such as `x86_64`. */
  readonly arch: string;
  /** The base configuration and the fragments, in order. The last line of a symbol counts. */
  readonly fragments: readonly DotConfig[];
  readonly output: string;
}

/** Runs the kernel's `make olddefconfig` on the merged fragments. */
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

/** Merges fragments: one line for each symbol, the last one, as Buildroot's support/kconfig/merge_config.sh -m does. */
export function mergeFragments(fragments: readonly DotConfig[]): string {
  const merged = new Map(fragments.flatMap(({ lines }) => lines).map((line) => [line.symbol, formatConfigLine(line)]));
  return [...merged.values()].map((line) => `${line}\n`).join("");
}

/** Bytes; far more than a configuration has. */
const MOST_CONFIG_BYTES = 16 * 1024 * 1024;

async function readResolved(path: string, prefix: string, stderr: string): Promise<ResolvedConfig> {
  // A sandbox wrote the directory.
  const text = (await readRegular(path, { follow: false, most: MOST_CONFIG_BYTES })).toString("utf8");
  const warnings = stderr.split("\n").filter((line) => /:\d+:\s*warning:/.test(line));
  return { path, text, config: readDotConfig(text, path, prefix), warnings };
}

function checkPath(path: string): void {
  const bad = UNSAFE_PATH.exec(path)?.[0];
  if (bad === undefined) return;
  throw new HalError("input", `make cannot handle a path that contains '${bad}'`, {
    at: { file: path },
    remedy: "move it, or make a symbolic link at another path",
  });
}

async function expectFile(path: string, what: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new HalError("input", `this is not ${what}: the file does not exist`, { at: { file: path }, cause });
  }
}
