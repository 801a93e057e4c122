import { connect, type Socket } from "node:net";

/** The reasons of QEMU's SHUTDOWN event that a boot can have (qapi/run-state.json, ShutdownCause). */
const REASONS = ["guest-shutdown", "guest-reset", "guest-panic", "host-signal"] as const;

/** How a boot ended; `killed`: hal stopped the guest at the time limit. */
export type Ending = (typeof REASONS)[number] | "killed";

/** An ending in words, for the results of checks. */
export const endingText: Readonly<Record<Ending, string>> = {
  "guest-shutdown": "guest powered off",
  "guest-reset": "guest reset",
  "guest-panic": "guest kernel panicked",
  "host-signal": "QEMU was stopped by a signal",
  killed: "guest was still running at the time limit",
};

/**
 * Connects to a unix socket that QEMU listens on, as soon as QEMU has created it.
 * @param exited whether QEMU has exited
 * @returns undefined when QEMU exits first
 */
export async function connectSocket(path: string, exited: () => boolean): Promise<Socket | undefined> {
  while (!exited()) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(path);
      attempt.once("connect", () => resolve(attempt));
      attempt.once("error", () => resolve(undefined));
    });
    if (socket !== undefined) {
      socket.on("error", () => {}); // QEMU closes the socket when it exits
      return socket;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}

/** A client of the QEMU Machine Protocol (QEMU docs/interop/qmp-spec.rst): sends commands, records how the guest ends. */
export class Monitor {
  readonly #socket: Socket;
  /** Undefined while the guest runs. */
  ending: Ending | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    let rest = "";
    socket.on("data", (chunk) => {
      const lines = (rest + chunk.toString("utf8")).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#event(line);
    });
    this.command("qmp_capabilities");
  }

  command(name: string, args: Readonly<Record<string, unknown>> = {}): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
  }

  #event(line: string): void {
    const message = JSON.parse(line) as { event?: string; data?: { reason?: string } };
    if (message.event === "GUEST_PANICKED") this.ending = "guest-panic";
    if (message.event !== "SHUTDOWN" || this.ending !== undefined) return;
    this.ending = REASONS.find((reason) => reason === message.data?.reason) ?? "killed";
  }
}
