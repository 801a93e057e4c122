import { createWriteStream, existsSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { HalError } from "./errors.js";
import { packageOf } from "./host-tools.js";

/** A command as data: no shell, no quoting. Only this module runs commands. */
export interface Command {
  readonly tool: string;
  readonly args: readonly string[];
  /** The complete environment of the child; default `cleanEnvironment()`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface RunOptions {
  /** Append stdout and stderr to this file. */
  readonly log?: string;
  /** Called for every line of stdout and stderr as it arrives. */
  readonly onLine?: (line: string) => void;
  /** Receives stdout, of any length. The result then contains no stdout. */
  readonly onData?: (chunk: Buffer) => void;
  readonly input?: string | Uint8Array | Readable;
  readonly signal?: AbortSignal;
  /** Milliseconds after which the command is killed. */
  readonly timeout?: number;
  /** Start the command in its own process group. An abort then also ends the processes that it started. */
  readonly group?: boolean;
  /** Return a non-zero exit code instead of throwing an error. */
  readonly allowFailure?: boolean;
}

export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Limit of the output that is kept in memory. The log file has all output. */
const KEEP_BYTES = 64 * 1024 * 1024;

/**
 * The environment of a child process: fixed locale and time zone, the search path, and the few variables for directories and proxies. No
 * other variable of the caller reaches a build.
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

/** The path of a tool, given by name or path; undefined when it is not installed. */
export async function findTool(tool: string): Promise<string | undefined> {
  if (tool.includes("/")) return existsSync(tool) ? tool : undefined;
  for (const dir of searchPath()) {
    const path = join(dir, tool);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // not in this directory
    }
  }
  return undefined;
}

/** @throws HalError "tool" for the first of these tools that is not installed */
export async function requireTools(tools: readonly string[]): Promise<void> {
  for (const tool of tools) if ((await findTool(tool)) === undefined) throw missingTool(tool);
}

/** The kind "tool" error for a missing host tool. The remedy names its package. */
export function missingTool(tool: string): HalError {
  return new HalError("tool", `the host tool '${tool}' is missing`, {
    remedy: `install it: apt-get install ${packageOf(tool)} (or: hal doctor --install)`,
  });
}

/**
 * Runs a command to its end.
 * @throws HalError "tool" when it is not installed, "command" when it fails, "interrupted" when the signal aborted it
 */
export async function runCommand(command: Command, options: RunOptions = {}): Promise<RunResult> {
  const tool = await findTool(command.tool);
  if (tool === undefined) throw missingTool(command.tool);
  const { execa } = await import("execa"); // imported late, because many commands run no tool
  const child = execa(tool, [...command.args], {
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    env: command.env ?? cleanEnvironment(),
    extendEnv: false,
    reject: false,
    maxBuffer: KEEP_BYTES,
    stripFinalNewline: false,
    ...(options.onData === undefined ? {} : { buffer: { stdout: false } }),
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
    child.finally(() => options.signal?.removeEventListener("abort", end)).catch(() => {}); // the kernel can reuse the id
  }
  if (options.log !== undefined) {
    const log = createWriteStream(options.log, { flags: "a" });
    log.on("error", () => {}); // on a full disk, the command itself reports the error
    log.write(`+ ${formatCommand(command)}\n`);
    // pipe() would stop the child's output if the log cannot be written.
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => log.write(chunk));
    child.finally(() => log.end()).catch(() => {});
  }
  if (options.onData !== undefined) child.stdout.on("data", options.onData);
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
      ...(options.log === undefined ? {} : { remedy: `the full output is in ${options.log}` }),
    });
  }
  return { exitCode, stdout: result.stdout ?? "", stderr: result.stderr };
}

function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGTERM");
  } catch {
    // all processes have already ended
  }
}

/**
 * Runs a command on the user's terminal, to its end.
 * @param signal an abort ends the command. Without a signal, the command handles an interrupt itself, as under a shell.
 * @returns the command's exit code
 * @throws HalError "tool" when the command is not installed
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

/**
 * The command on a terminal of its own, if hal has one. A program that has the caller's terminal can type into it, and the caller's shell
 * runs the text after hal (ioctl_tty(2), TIOCSTI). script(1) copies input and output between the two terminals, and ends with the
 * command's exit code.
 */
export function onOwnTerminal(command: Command): Command {
  if (!process.stdin.isTTY) return command;
  return { ...command, tool: "script", args: ["--quiet", "--return", "--command", `exec ${formatCommand(command)}`, "/dev/null"] };
}

/** A command as a line for a POSIX shell, for logs and `--print`. */
export function formatCommand(command: Pick<Command, "tool" | "args">): string {
  return [command.tool, ...command.args].map(shellQuote).join(" ");
}

/** A word in POSIX shell quoting, without quotes where they are not needed. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
