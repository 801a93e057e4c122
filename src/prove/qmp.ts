import { connect, type Socket } from "node:net";

/** How QEMU said that the guest ended (QAPI event SHUTDOWN, `reason`). */
const REASONS = ["guest-shutdown", "guest-reset", "guest-panic", "host-signal"] as const;
export type Ending = (typeof REASONS)[number] | "killed";

/**
 * QEMU's monitor and serial ports are unix sockets that QEMU listens on. It creates them before the guest starts;
 * `open` waits for one.
 */
export async function open(path: string, gone: () => boolean): Promise<Socket | undefined> {
  while (!gone()) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const attempt = connect(path);
      attempt.once("connect", () => resolve(attempt));
      attempt.once("error", () => resolve(undefined));
    });
    if (socket !== undefined) {
      socket.on("error", () => {}); // QEMU closes it when it ends
      return socket;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return undefined;
}

/** Speaks QMP (QEMU docs/interop/qmp-spec.rst) as far as the proof needs it. */
export class Monitor {
  readonly #socket: Socket;
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
