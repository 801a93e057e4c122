import { createWriteStream, existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { HalError } from "./errors.js";
import { packageOf } from "./host-tools.js";

/** A command as data. `runCommand` is the one place that runs one: no shell, no quoting. */
export interface Command {
  readonly tool: string;
  readonly args: readonly string[];
  /** The whole environment of the child, not an addition to hal's own; default `cleanEnvironment()`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface RunOptions {
  /** Append stdout and stderr to this file. */
  readonly log?: string;
  /** Called for every line of stdout and stderr as it arrives. */
  readonly onLine?: (line: string) => void;
  readonly input?: string | Uint8Array | Readable;
  readonly signal?: AbortSignal;
  /** Milliseconds after which the command is killed. */
  readonly timeout?: number;
  /** The command starts others: an abort ends all of them, not only the command itself. */
  readonly group?: boolean;
  /** Return a non-zero exit as a result rather than an error. */
  readonly allowFailure?: boolean;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How much of a command's output is kept in memory (the log file has all of it). */
const KEEP_BYTES = 64 * 1024 * 1024;

/**
 * The environment that every child starts from: a fixed locale, time zone and PATH, and the few
 * variables that name a place. Nothing else of the caller's environment leaks into a build.
 */
export function cleanEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "http_proxy", "https_proxy", "no_proxy"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return { ...kept, PATH: searchPath().join(delimiter), LC_ALL: "C.UTF-8", LANG: "C.UTF-8", TZ: "UTC", ...extra };
}

/** The caller's PATH plus the system directories that an ordinary user's PATH on Debian lacks. */
export function searchPath(): string[] {
  const own = (process.env.PATH ?? "").split(delimiter).filter((dir) => dir.startsWith("/"));
  return [...new Set([...own, "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"])];
}

/** The absolute path of a tool, given by name or path, or undefined when it is not installed. */
export async function findTool(tool: string): Promise<string | undefined> {
  if (tool.includes("/")) return existsSync(tool) ? tool : undefined;
  for (const dir of searchPath()) {
    const path = join(dir, tool);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // not here: look on
    }
  }
  return undefined;
}

/** @throws HalError "tool" for the first of these tools that is not installed */
export async function requireTools(tools: readonly string[]): Promise<void> {
  for (const tool of tools) if ((await findTool(tool)) === undefined) throw missingTool(tool);
}

/** The kind "tool" error for a missing host tool: which, and the package that has it. */
export function missingTool(tool: string): HalError {
  return new HalError("tool", `the host tool '${tool}' is missing`, {
    remedy: `install it: apt-get install ${packageOf(tool)} (or: hal doctor --install)`,
  });
}

/**
 * Runs a command to its end.
 * @throws HalError "tool" when it is not installed, "command" when it fails (with its last lines and
 * the log's path), "interrupted" when the signal aborted it.
 */
export async function runCommand(command: Command, options: RunOptions = {}): Promise<RunResult> {
  const tool = await findTool(command.tool);
  if (tool === undefined) throw missingTool(command.tool);
  const { execa } = await import("execa"); // late: many commands run no tool
  const child = execa(tool, [...command.args], {
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    env: command.env ?? cleanEnvironment(),
    extendEnv: false,
    reject: false,
    maxBuffer: KEEP_BYTES,
    stripFinalNewline: false,
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    forceKillAfterDelay: 5000,
    ...(options.group ? { detached: true } : {}),
  });
  if (options.group) {
    const { pid } = child;
    const end = (): void => endGroup(pid);
    options.signal?.addEventListener("abort", end, { once: true });
    child.finally(() => options.signal?.removeEventListener("abort", end)).catch(() => {}); // its id may be another's by then
  }
  if (options.log !== undefined) {
    const log = createWriteStream(options.log, { flags: "a" });
    log.on("error", () => {}); // a full disk must surface as the command's own failure, not crash hal
    log.write(`+ ${formatCommand(command)}\n`);
    // Not by pipe(): a log that fails would pause the child's output for ever.
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => log.write(chunk));
    child.finally(() => log.end()).catch(() => {});
  }
  if (options.onLine !== undefined) {
    const { onLine } = options;
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream.on("data", (chunk: Buffer) => {
        const lines = (rest + chunk.toString("utf8")).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) onLine(line);
      });
      stream.on("end", () => {
        if (rest !== "") onLine(rest);
      });
    }
  }
  const result = await child;
  if (result.isCanceled) throw new HalError("interrupted", `${command.tool} was interrupted`);
  const exitCode = result.exitCode ?? 128;
  if ((exitCode !== 0 || result.timedOut) && !options.allowFailure) {
    const lines = `${result.stdout}${result.stderr}`
      .trimEnd()
      .split("\n")
      .slice(-12)
      .filter((line) => line !== "");
    throw new HalError("command", `${command.tool} ${result.timedOut ? "timed out" : `failed with exit code ${exitCode}`}`, {
      details: lines,
      ...(options.log === undefined ? {} : { remedy: `the whole output is in ${options.log}` }),
    });
  }
  return { exitCode, stdout: result.stdout, stderr: result.stderr };
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGTERM");
  } catch {
    // all of them have ended already
  }
}

/**
 * Runs a command on the user's own terminal, to its end.
 * @param signal ends the command too; without it, an interrupt is the command's own affair, as a shell's is
 * @returns its exit code
 * @throws HalError "tool" when it is not installed
 */
export async function runInteractive(command: Command, signal?: AbortSignal): Promise<number> {
  const tool = await findTool(command.tool);
  if (tool === undefined) throw missingTool(command.tool);
  const { execa } = await import("execa");
  const result = await execa(tool, [...command.args], {
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    env: command.env ?? cleanEnvironment(),
    extendEnv: false,
    reject: false,
    stdio: "inherit",
    ...(signal === undefined ? {} : { cancelSignal: signal, forceKillAfterDelay: 5000 }),
  });
  return result.exitCode ?? 128;
}

/** A command as a line that a POSIX shell would run, for logs and `--print`. */
export function formatCommand(command: Pick<Command, "tool" | "args">): string {
  return [command.tool, ...command.args].map(shellQuote).join(" ");
}

/** One word in POSIX shell quoting; words that need no quotes stay bare. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
