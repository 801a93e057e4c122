import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInteractive } from "../lib/tools.js";
import { connectSocket, type Ending, Monitor } from "./qmp.js";

/** How a command on the terminal ended. */
export interface Ended {
  readonly exitCode: number;
  /** How the guest ended, if QEMU reported it before it exited. */
  readonly ending?: Ending;
  readonly seconds: number;
}

/**
 * Runs a command on the terminal, in a temporary folder: nothing that it creates by a relative name is in the folder of the image.
 * @throws HalError "tool" if the command is not installed
 */
export async function runOnTerminal(argv: readonly string[], signal?: AbortSignal): Promise<number> {
  return inTemporaryFolder((cwd) => run(argv, cwd, signal));
}

/**
 * Runs QEMU on the terminal. A QMP socket of hal's own reports how the guest ends.
 * @throws HalError "tool" if QEMU is not installed
 */
export async function runQemu(argv: readonly string[], signal?: AbortSignal): Promise<Ended> {
  return inTemporaryFolder(async (cwd) => {
    const began = performance.now();
    let exited = false;
    const qemu = run([...argv, "-qmp", "unix:qmp,server=on,wait=off"], cwd, signal).finally(() => {
      exited = true;
    });
    const [exitCode, monitor] = await Promise.all([
      qemu,
      connectSocket(join(cwd, "qmp"), () => exited).then((socket) => socket && new Monitor(socket)),
    ]);
    const seconds = (performance.now() - began) / 1000;
    return { exitCode, seconds, ...(monitor?.ending === undefined ? {} : { ending: monitor.ending }) };
  });
}

function run([tool = "", ...args]: readonly string[], cwd: string, signal: AbortSignal | undefined): Promise<number> {
  return runInteractive({ tool, args, cwd }, signal);
}

async function inTemporaryFolder<T>(work: (cwd: string) => Promise<T>): Promise<T> {
  const cwd = await mkdtemp(join(tmpdir(), "hal-run-"));
  try {
    return await work(cwd);
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
}
