import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { imageFile } from "../bundle/open.js";
import { confinement } from "../launch/confinement.js";
import { qemuVersion } from "../launch/host.js";
import { type Accel, carefulTcgCpu, qemuArgv } from "../launch/qemu.js";
import { connectSocket, type Ending, Monitor } from "../launch/qmp.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { KEYSTROKES } from "./console.js";
import { type Facts, lastValue, parseFacts } from "./facts.js";

/** What to boot and how. */
export interface BootConfig {
  readonly launch: Launch;
  /** The directory that the paths of `launch` are relative to. */
  readonly dir: string;
  /** The bytes of the initrd; undefined boots without an initrd. */
  readonly initrd: Uint8Array | undefined;
  readonly cmdline: string;
  /** Paths of the disk images by drive id: copies, because the guest writes to them. */
  readonly drives: Readonly<Record<string, string>>;
  /** More words of the QEMU command. */
  readonly extra?: readonly string[];
  readonly accel: Accel;
  /** Time limit in seconds; hal stops the guest then. */
  readonly seconds: number;
  /** Emulate each CPU in its own thread, where this QEMU does it reliably. */
  readonly parallel?: boolean;
  /** Types `KEYSTROKES` on the console, as an attacker who looks for a shell does. */
  readonly typeAtConsole?: boolean;
  /** Called once when the probe reports `tamper=ready`; the probe waits until it has finished. */
  readonly tamper?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

/** The result of one boot. */
export interface BootRecord {
  readonly ending: Ending;
  /** Wall-clock seconds from QEMU's start to its exit. */
  readonly seconds: number;
  /** Everything that firmware and guest wrote to the first serial port. */
  readonly console: string;
  /** The probe's report from the second serial port. */
  readonly facts: Facts;
}

/** The first QEMU whose TCG runs Linux reliably with a thread for each CPU (see `accelerator` in launch/qemu.ts). */
const RELIABLE_THREADS = 10;

/** The UUID of the machine that QEMU passes in SMBIOS; systemd could use it as machine id (machine-id(5)). */
export const SMBIOS_UUID = "8a1f0b6e-5d3c-4f2a-9b7e-000000000001";

/** Settings for systemd that a host can pass to every guest: a machine UUID and credentials (systemd(1), "Credentials"). The image must ignore all. */
const HOST_SETTINGS = [
  ...["-uuid", SMBIOS_UUID],
  ...["-smbios", "type=11,value=io.systemd.credential:hal-proof=taken"],
  ...["-fw_cfg", "name=opt/io.systemd.credentials/hal-proof-too,string=taken"],
];

/**
 * Boots and waits until QEMU exits. Under TCG it boots a second time if the guest was reset early: emulation on a busy host does that.
 * @throws HalError "command" when QEMU fails to start or a signal stops it, "tool" when QEMU is missing
 */
export async function boot(config: BootConfig): Promise<BootRecord> {
  const record = await bootOnce(config);
  return config.accel === "tcg" && wasResetEarly(record) ? bootOnce(config) : record;
}

/**
 * Whether the guest was reset before the probe reported anything, and the console shows no reason. A panic other than an exception in an
 * interrupt handler is a reason: the kernel would panic again.
 */
export function wasResetEarly({ ending, facts, console }: Pick<BootRecord, "ending" | "facts" | "console">): boolean {
  return ending === "guest-reset" && facts.size === 0 && !/hal: |Kernel panic(?! - not syncing: Fatal exception)/.test(console);
}

async function bootOnce(config: BootConfig): Promise<BootRecord> {
  // In the system's temporary directory: the path of a unix socket has at most 107 bytes (unix(7)).
  const dir = await mkdtemp(join(tmpdir(), "hal-proof-"));
  try {
    return await bootIn(dir, config);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function bootIn(dir: string, config: BootConfig): Promise<BootRecord> {
  const at = (name: string): string => join(dir, name);
  if (config.initrd !== undefined) await writeFile(at("initrd"), config.initrd);
  await mkdir(at("share"));
  const shares = config.launch.shares.filter((share) => share.type === "9p");
  const { vsock: _vsock, initrd: _initrd, ...launch } = config.launch;
  if (launch.kernel !== undefined) imageFile(config.dir, launch.kernel.path);
  const [tool, ...args] = qemuArgv(
    // Isolated from the host: no network, no vsock, an empty directory for all shares.
    { ...launch, shares, machine: { ...launch.machine, nodefaults: true } },
    {
      base: config.dir,
      accel: config.accel,
      parallel: config.parallel === true && config.accel === "tcg" && (await qemuVersion())[0] >= RELIABLE_THREADS,
      cpuModel: config.accel === "tcg" ? carefulTcgCpu : "host",
      cpus: Math.min(config.launch.cpu.count, availableParallelism()),
      drives: config.drives,
      snapshot: false,
      cmdline: config.cmdline,
      ...(config.initrd === undefined ? {} : { initrd: at("initrd") }),
      shares: Object.fromEntries(shares.map(({ tag }) => [tag, at("share")])),
      forwards: [],
      isolateNetwork: true,
      consoles: false,
      extra: [
        ...serialPort("console", 0, dir),
        ...serialPort("probe", 1, dir),
        ...HOST_SETTINGS,
        "-no-reboot",
        "-S",
        "-qmp",
        `unix:${at("qmp")},server=on,wait=off`,
        ...(await confinement()),
        ...(config.extra ?? []),
      ],
    },
  );
  if (tool === undefined) throw new Error("empty command");
  let exited = false;
  const began = performance.now();
  const qemu = runCommand(
    { tool, args },
    { allowFailure: true, timeout: (config.seconds + 20) * 1000, ...(config.signal === undefined ? {} : { signal: config.signal }) },
  ).finally(() => {
    exited = true;
  });
  const [result, output] = await Promise.all([qemu, watchGuest(dir, config, () => exited)]);
  const seconds = (performance.now() - began) / 1000;
  if (output === undefined || (result.exitCode !== 0 && output.ending === undefined)) {
    throw new HalError("command", `QEMU failed with exit code ${result.exitCode}`, {
      details: result.stderr.trimEnd().split("\n").slice(-12),
    });
  }
  // The signal came from another process, so the boot proves nothing about the image.
  if (output.ending === "host-signal")
    throw new HalError("command", "another process stopped QEMU with a signal", { remedy: "run the test again" });
  return { ending: output.ending ?? "killed", seconds, console: output.console, facts: parseFacts(output.report) };
}

/** QEMU options for an ISA serial port on a unix socket. */
function serialPort(name: string, index: number, dir: string): string[] {
  return [
    "-chardev",
    `socket,id=${name},path=${join(dir, name)},server=on,wait=off`,
    "-device",
    `isa-serial,chardev=${name},index=${index}`,
  ];
}

interface GuestOutput {
  readonly ending: Ending | undefined;
  readonly console: string;
  /** Text of the probe. */
  readonly report: string;
}

/**
 * Starts the guest of a QEMU that waits for `cont`, and follows it until QEMU exits: collects the output of both serial ports, types on the
 * console, calls `tamper` when the probe asks for it, and stops the guest at the time limit.
 * @returns undefined when QEMU exits before its sockets exist
 * @throws the error of `tamper`
 */
async function watchGuest(dir: string, config: BootConfig, exited: () => boolean): Promise<GuestOutput | undefined> {
  const sockets = await Promise.all(["qmp", "console", "probe"].map((name) => connectSocket(join(dir, name), exited)));
  const [qmp, console, probe] = sockets;
  if (qmp === undefined || console === undefined || probe === undefined) return undefined;
  const monitor = new Monitor(qmp);
  let consoleText = "";
  console.on("data", (chunk) => {
    consoleText += chunk.toString("latin1");
  });
  let report = "";
  let tampered = false;
  let failure: unknown;
  probe.on("data", (chunk) => {
    report += chunk.toString("latin1");
    if (tampered || config.tamper === undefined || lastValue(parseFacts(report), "tamper") !== "ready") return;
    tampered = true;
    config.tamper().then(
      () => probe.write("\n"),
      (error: unknown) => {
        failure = error;
        monitor.command("quit");
      },
    );
  });
  monitor.command("cont");
  const deadline = setTimeout(() => monitor.command("quit"), config.seconds * 1000);
  let typed = 0;
  const typing = setInterval(() => {
    if (config.typeAtConsole && console.writable) console.write(KEYSTROKES[typed++ % KEYSTROKES.length] ?? "");
  }, 250);
  while (!exited()) await new Promise((resolve) => setTimeout(resolve, 50));
  clearTimeout(deadline);
  clearInterval(typing);
  for (const socket of [qmp, console, probe]) socket.destroy();
  if (failure !== undefined) throw failure;
  return { ending: monitor.ending, console: consoleText, report };
}
