import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { type Accel, carefulTcgCpu, qemuArgv } from "../launch/qemu.js";
import { HalError } from "../lib/errors.js";
import { runCommand } from "../lib/tools.js";
import type { Launch } from "../model/generated.js";
import { type Facts, last, parseFacts } from "./facts.js";
import { type Ending, Monitor, open } from "./qmp.js";

/** One boot of an image, perhaps a damaged one. */
export interface BootPlan {
  readonly launch: Launch;
  /** The folder that the launch's paths are relative to. */
  readonly dir: string;
  /** The initrd with the probe; undefined boots without any. */
  readonly initrd: Uint8Array | undefined;
  readonly cmdline: string;
  /** Disk images by drive id; the proof writes to copies only. */
  readonly drives: Readonly<Record<string, string>>;
  readonly extra?: readonly string[];
  readonly accel: Accel;
  /** After this many seconds the guest is stopped from outside: it hangs. */
  readonly seconds: number;
  /** Type on the console, as somebody does who hopes for a shell. */
  readonly knock?: boolean;
  /** Called once when the probe says `tamper=ready`; the guest waits until it is done. */
  readonly tamper?: () => Promise<void>;
  readonly signal?: AbortSignal;
}

/** What was seen from outside, and what the probe reported. */
export interface BootRecord {
  readonly ending: Ending;
  /** Wall clock of the whole boot. */
  readonly seconds: number;
  /** All that came out of the first serial port. */
  readonly console: string;
  readonly facts: Facts;
}

/** A host's idea of the machine: systemd would make its machine id of it (machine-id(5)). */
export const OFFERED_UUID = "8a1f0b6e-5d3c-4f2a-9b7e-000000000001";

/** What the host offers systemd: a machine, and a credential in both ways that QEMU has (systemd(1), "Credentials"); none must be taken. */
const OFFERED = [
  ...["-uuid", OFFERED_UUID],
  ...["-smbios", "type=11,value=io.systemd.credential:hal-proof=taken"],
  ...["-fw_cfg", "name=opt/io.systemd.credentials/hal-proof-too,string=taken"],
];

/** What somebody types who hopes for a shell: keys that interrupt, prompts, and a sum that only a shell can do. */
const KNOCKS = ["\n", "\x03", "\x04", "\x1a", "root\n", "\n", "echo hal-shell-$((6*7))\n", "\x1b\n"];
export const SHELL_ANSWER = "hal-shell-42";

/**
 * Boots and waits until QEMU ends; once more where an emulator that gets too little of a busy host reset the guest
 * before anything of the image or the probe ran.
 */
export async function boot(plan: BootPlan): Promise<BootRecord> {
  const record = await bootOnce(plan);
  return plan.accel === "tcg" && crashedEarly(record) ? bootOnce(plan) : record;
}

/** A reset of which neither probe nor console knows anything; a kernel that panics for a reason says so where it has a console, and does it again. */
export function crashedEarly({ ending, facts, console }: Pick<BootRecord, "ending" | "facts" | "console">): boolean {
  return ending === "guest-reset" && facts.size === 0 && !/hal: |Kernel panic(?! - not syncing: Fatal exception)/.test(console);
}

async function bootOnce(plan: BootPlan): Promise<BootRecord> {
  // Unix sockets have short paths: not below the output directory.
  const dir = await mkdtemp(join(tmpdir(), "hal-proof-"));
  try {
    return await bootIn(dir, plan);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function bootIn(dir: string, plan: BootPlan): Promise<BootRecord> {
  const at = (name: string): string => join(dir, name);
  if (plan.initrd !== undefined) await writeFile(at("initrd"), plan.initrd);
  const shares = plan.launch.shares.filter((share) => share.type === "9p");
  const { vsock: _vsock, initrd: _initrd, ...launch } = plan.launch;
  const [tool, ...args] = qemuArgv(
    // Nothing of the host's: no forwarded ports, no vsock, an empty directory for each share.
    { ...launch, shares, ...(launch.net === undefined ? {} : { net: { ...launch.net, forwards: [] } }) },
    {
      base: plan.dir,
      accel: plan.accel,
      cpuModel: plan.accel === "tcg" ? carefulTcgCpu : "host",
      cpus: Math.min(plan.launch.cpu.count, availableParallelism()),
      drives: plan.drives,
      snapshot: false,
      cmdline: plan.cmdline,
      ...(plan.initrd === undefined ? {} : { initrd: at("initrd") }),
      shares: Object.fromEntries(shares.map(({ tag }) => [tag, dir])),
      consoles: false,
      extra: [
        ...port("console", 0, dir),
        ...port("probe", 1, dir),
        ...OFFERED,
        "-no-reboot",
        "-S",
        "-qmp",
        `unix:${at("qmp")},server=on,wait=off`,
        ...(plan.extra ?? []),
      ],
    },
  );
  if (tool === undefined) throw new Error("empty command");
  let gone = false;
  const began = performance.now();
  const qemu = runCommand(
    { tool, args },
    { allowFailure: true, timeout: (plan.seconds + 20) * 1000, ...(plan.signal === undefined ? {} : { signal: plan.signal }) },
  ).finally(() => {
    gone = true;
  });
  const watched = watch(dir, plan, () => gone);
  const [result, seen] = await Promise.all([qemu, watched]);
  const seconds = (performance.now() - began) / 1000;
  if (seen === undefined || (result.exitCode !== 0 && seen.ending === undefined)) {
    throw new HalError("command", `QEMU failed with exit code ${result.exitCode}`, {
      details: result.stderr.trimEnd().split("\n").slice(-12),
    });
  }
  // Somebody else's signal: it says nothing about the image.
  if (seen.ending === "host-signal") throw new HalError("command", "QEMU was stopped by a signal from outside", { remedy: "test again" });
  return { ending: seen.ending ?? "killed", seconds, console: seen.console, facts: parseFacts(seen.report) };
}

/** An ISA serial port behind a socket. */
function port(name: string, index: number, dir: string): string[] {
  return [
    "-chardev",
    `socket,id=${name},path=${join(dir, name)},server=on,wait=off`,
    "-device",
    `isa-serial,chardev=${name},index=${index}`,
  ];
}

interface Seen {
  readonly ending: Ending | undefined;
  readonly console: string;
  readonly report: string;
}

/** Follows a QEMU that waits to be started: its monitor, the deadline, the console's keyboard, the probe's request to tamper. */
async function watch(dir: string, plan: BootPlan, gone: () => boolean): Promise<Seen | undefined> {
  const [qmp, keyboard, probe] = await Promise.all(["qmp", "console", "probe"].map((name) => open(join(dir, name), gone)));
  if (qmp === undefined || keyboard === undefined || probe === undefined) return undefined;
  const monitor = new Monitor(qmp);
  let heard = "";
  keyboard.on("data", (chunk) => {
    heard += chunk.toString("latin1");
  });
  let report = "";
  let tampered = false;
  probe.on("data", (chunk) => {
    report += chunk.toString("latin1");
    if (tampered || plan.tamper === undefined || last(parseFacts(report), "tamper") !== "ready") return;
    tampered = true;
    plan.tamper().then(
      () => probe.write("\n"),
      () => monitor.command("quit"),
    );
  });
  monitor.command("cont");
  const deadline = setTimeout(() => monitor.command("quit"), plan.seconds * 1000);
  let knocks = 0;
  const knocking = setInterval(() => {
    if (plan.knock && keyboard.writable) keyboard.write(KNOCKS[knocks++ % KNOCKS.length] ?? "");
  }, 250);
  while (!gone()) await new Promise((resolve) => setTimeout(resolve, 50));
  clearTimeout(deadline);
  clearInterval(knocking);
  for (const socket of [qmp, keyboard, probe]) socket.destroy();
  return { ending: monitor.ending, console: heard, report };
}
