import { formatSize, parseSize } from "../../lib/size.js";
import { OFFERED_UUID, SHELL_ANSWER } from "../boot.js";
import {
  all,
  attempt,
  type Facts,
  isComplete,
  last,
  listeners,
  type Mapping,
  mappings,
  memory,
  mountAt,
  processes,
  targetOf,
} from "../facts.js";
import type { Promises } from "../image.js";
import type { DiskFindings } from "../scan-disk.js";

/** One promise and what was found. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly expected: string;
  readonly found: string;
}

/** Everything one boot showed: from inside, on the console, and on the disk afterwards. */
export interface Evidence {
  readonly facts: Facts;
  readonly console: string;
  readonly ending: string;
  /** Undefined for an image without a disk. */
  readonly disk: DiskFindings | undefined;
}

type Rule = (promises: Promises, evidence: Evidence) => readonly Check[];

const check = (name: string, ok: boolean, expected: string, found: string): Check => ({ name, ok, expected, found });

/** Holds an image that has booted to its promises. Pure: the same evidence gives the same checks, in this order. */
export function judge(promises: Promises, evidence: Evidence): Check[] {
  const checks = rules.flatMap((rule) => rule(promises, evidence));
  if (isComplete(evidence.facts)) return checks;
  // Nothing was seen to listen, to log in or to have a password because nobody looked.
  return checks.map((entry) => (entry.ok ? { ...entry, ok: false, found: "not told" } : entry));
}

/** That the image got to where it can work, and that the probe saw it to the end. */
const readiness: Rule = (promises, { facts, ending }) => {
  const state = last(facts, "state") ?? `stopped in stage ${last(facts, "stage") ?? "(the probe did not start)"}`;
  const wanted = promises.init === "systemd" ? "running" : "settled";
  const failed = (facts.get("failed") ?? []).map((line) => line.trim().split(/\s+/)[0]);
  return [
    check("ready", state === wanted, wanted, failed.length === 0 ? state : `${state}: ${failed.join(", ")} failed`),
    check(
      "report complete",
      last(facts, "end") === "ok" && ending === "guest-shutdown",
      "to the end, then powered off",
      `${last(facts, "end") ?? "cut off"}, ${ending}`,
    ),
  ];
};

const verityRoot: Rule = ({ layout }, { facts }) => {
  if (layout.root.type !== "verity") return [];
  const root = mountAt(facts, "/");
  const mapping = mappings(facts).find(({ device }) => device === root?.device);
  const target = mapping === undefined ? "no device mapping" : targetOf(mapping);
  const promised = /(?:^| )roothash=([0-9a-f]+)/.exec(last(facts, "cmdline") ?? "")?.[1] ?? "none on the command line";
  const [, , , , , , , , , , , hash = "not told"] = mapping?.table.split(" ") ?? [];
  return [
    check("root is verified", target === "verity", "dm-verity", target),
    // dmsetup tells the hash that the kernel enforces; an image without dmsetup tells only that there is one.
    ...(mapping?.table ? [check("root hash", mapping.table.includes(` ${promised} `), promised, hash)] : []),
    check(
      "root is read-only",
      (root?.options ?? []).filter((option) => option === "ro").length === 2 && mapping?.readOnly === true,
      "mount, filesystem and device",
      describeReadOnly(root?.options, mapping),
    ),
    check("root filesystem", root?.type === "ext4", "ext4", root?.type ?? "none"),
    ...["write-root", "write-etc", "write-usr", "write-remounted", "write-device"].map((name) => refused(facts, name)),
  ];
};

function describeReadOnly(options: readonly string[] | undefined, mapping: Mapping | undefined): string {
  const mount = options?.includes("ro") ? "mounted read-only" : "mounted read-write";
  return mapping === undefined ? mount : `${mount}, device ${mapping.readOnly ? "read-only" : "writable"}`;
}

/** `/etc` may be a tmpfs or an overlay in RAM over the verified root: then a write there is no write to the root. */
function refused(facts: Facts, name: string): Check {
  const tried = attempt(facts, name);
  return check(
    name.replace("-", " "),
    tried?.refused === true,
    "refused",
    tried === undefined ? "not tried" : tried.refused ? lastWords(tried.answer) : "allowed",
  );
}

/** The reason at the end of a tool's message: `Read-only file system`. */
function lastWords(answer: string): string {
  return (/: ([^:]+)$/.exec(answer)?.[1] ?? answer).replace(/ [0-9]+\+0 records.*/, "").trim();
}

const ramRoot: Rule = ({ layout }, { facts }) => {
  if (layout.root.type !== "ram") return [];
  const root = mountAt(facts, "/");
  const type = root?.type ?? "rootfs";
  return [check("root is in RAM", ["rootfs", "tmpfs", "ramfs"].includes(type), "rootfs, tmpfs", type)];
};

/** The mapping that a mount or swap area is on, down through the layers below it. */
function stack(facts: Facts, device: string | undefined): Mapping[] {
  const known = mappings(facts);
  const top = known.find((mapping) => mapping.device === device);
  if (top === undefined) return [];
  return [top, ...known.filter((mapping) => top.slaves.includes(mapping.kernelName))];
}

const rw: Rule = ({ layout }, { facts, disk }) => {
  if (layout.rw === undefined) return [];
  const { mount: point, integrity } = layout.rw;
  const mount = mountAt(facts, point);
  const layers = stack(facts, mount?.device);
  const found = describeCrypt(layers.map(targetOf).join(" on ") || "no device mapping", layers[0]?.table ?? "");
  return [
    check(`${point} is encrypted`, isEncrypted(layers), "dm-crypt", found),
    ...(integrity === "none"
      ? []
      : [check(`${point} is authenticated`, isAuthenticated(layers), `dm-crypt over dm-integrity (${integrity})`, found)]),
    check(
      `${point} options`,
      ["nodev", "nosuid"].every((option) => mount?.options.includes(option)),
      "nodev, nosuid",
      mount?.options.slice(0, 4).join(", ") ?? "not mounted",
    ),
    marker(facts, disk, "rw", point),
    check(
      "no LUKS header on the disk",
      disk !== undefined && !disk.rw.includes("luks"),
      "in RAM only",
      disk === undefined ? "no disk" : disk.rw.join(", ") || "none found",
    ),
  ];
};

function isEncrypted([top]: readonly Mapping[]): boolean {
  return top !== undefined && targetOf(top) === "crypt" && !/ crypt (capi:)?cipher_null/.test(top.table);
}

function isAuthenticated(layers: readonly Mapping[]): boolean {
  const table = layers[0]?.table ?? "";
  return layers.some((layer) => targetOf(layer) === "integrity") && (table === "" || /integrity:[1-9]/.test(table));
}

/** Target types, and the cipher where dmsetup told it; never the key. */
function describeCrypt(targets: string, table: string): string {
  const cipher = / crypt (\S+)/.exec(` ${table}`)?.[1];
  return cipher === undefined ? targets : `${targets} (${cipher})`;
}

const swap: Rule = ({ layout }, { facts, disk }) => {
  const areas = (facts.get("swap") ?? []).slice(1).map((line) => line.split(/\s+/)[0] ?? "");
  if (layout.swap === undefined) return [check("no swap", areas.length === 0, "none", areas.join(", ") || "none")];
  const known = mappings(facts);
  const stacks = areas.map((area) =>
    stack(facts, known.find(({ name, kernelName }) => area === `/dev/mapper/${name}` || area === `/dev/${kernelName}`)?.device),
  );
  const found = stacks
    .map((layers, index) =>
      layers[0] === undefined ? `${areas[index]} itself` : describeCrypt(layers.map(targetOf).join(" on "), layers[0].table),
    )
    .join(", ");
  return [
    check("swap is encrypted", areas.length > 0 && stacks.every(isEncrypted), "dm-crypt", found || "none"),
    marker(facts, disk, "swap", "swap"),
  ];
};

/** The marker went in, and is nowhere to be read outside. */
function marker(facts: Facts, disk: DiskFindings | undefined, area: "rw" | "swap", name: string): Check {
  const written = (facts.get("marker") ?? []).includes(area);
  const plain = (disk?.[area] ?? []).filter((finding) => finding !== "luks");
  const found = !written
    ? "marker not written"
    : disk === undefined
      ? "no disk"
      : plain.length === 0
        ? "none of 4 MiB found"
        : plain.join(", ");
  return check(`${name}: no plaintext on the disk`, written && disk !== undefined && plain.length === 0, "none", found);
}

const tmpfs: Rule = ({ layout }, { facts }) =>
  layout.tmpfs.map(({ path, size, exec, noswap }) => {
    const mount = mountAt(facts, path);
    const wanted = ["nodev", "nosuid", ...(exec ? [] : ["noexec"]), ...(noswap && hasNoswap(facts) ? ["noswap"] : [])];
    const options = mount?.options ?? [];
    const kept = wanted.every((option) => options.includes(option)) && !(exec && options.includes("noexec"));
    const limit = tmpfsLimit(options, memory(facts)?.total ?? 0);
    // The kernel rounds a share of RAM, and knows a little more RAM while it boots than it tells later.
    const bounded = limit > 0 && limit <= promisedBytes(size, memory(facts)?.total ?? 0) * 1.05;
    const shown = options.filter((option) => /^no(dev|suid|exec|swap)$/.test(option)).join(", ");
    const found = mount === undefined ? "not mounted" : `${mount.type} of ${formatSize(limit)}, ${shown}`;
    return check(`${path} is tmpfs`, mount?.type === "tmpfs" && kept && bounded, `tmpfs of ${size}, ${wanted.join(", ")}`, found);
  });

/** Bytes that a tmpfs may grow to; the kernel shows no `size=` where it is the default, half of RAM (mm/shmem.c). */
function tmpfsLimit(options: readonly string[], ram: number): number {
  const shown = options.find((option) => option.startsWith("size="));
  return shown === undefined ? ram / 2 : Number.parseInt(shown.slice("size=".length), 10) * 1024;
}

function promisedBytes(size: string, ram: number): number {
  return size.endsWith("%") ? (ram * Number.parseInt(size, 10)) / 100 : parseSize(size);
}

/** tmpfs has `noswap` since Linux 6.4 (Documentation/filesystems/tmpfs.rst). */
function hasNoswap(facts: Facts): boolean {
  const [major = 0, minor = 0] = (last(facts, "kernel") ?? "").split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 4);
}

/** Client ports that answer nobody: DHCP and DHCPv6. */
const DHCP_PORTS = [68, 546];
const SSH_PORT = 22;

const network: Rule = ({ ports, ssh, debug }, { facts }) => {
  const open = listeners(facts).filter(({ family, port, loopback }) => {
    if (loopback || family === "raw") return family === "raw" && port !== 58; // ICMPv6, as every network manager opens
    if (family === "udp" && DHCP_PORTS.includes(port)) return false;
    return !ports.includes(port) && !((ssh || debug) && family === "tcp" && port === SSH_PORT);
  });
  const allowed = ports.length === 0 ? "nothing" : `only ${ports.join(", ")}`;
  const names = [...new Set(open.map(({ family, port }) => `${family} ${port}`))];
  return [check("listens to the world", open.length === 0, allowed, names.join(", ") || "nothing else")];
};

const LOGIN = /\/(agetty|getty|mingetty|login|sulogin|sshd|dropbear|telnetd)$/;
const SHELL = /\/(sh|bash|dash|ash|zsh|busybox)$/;

const doors: Rule = ({ debug, init, ssh }, { facts, console }) => {
  const running = processes(facts);
  const tool = (command: string): string => command.split(" ")[0] ?? "";
  const logins = running.filter(
    ({ exe, command }) => [exe, tool(command), `/${tool(command)}`].some((path) => LOGIN.test(path)) && !(ssh && /ssh|dropbear/.test(exe)),
  );
  // BusyBox is init and syslogd too: what makes a shell of it is a terminal.
  const shells = running.filter(({ pid, exe, terminal }) => pid !== 1 && terminal !== 0 && SHELL.test(exe));
  // PID 1 is always there: where no process was seen, nobody looked.
  const list = (found: typeof running): string =>
    running.length === 0 ? "not told" : found.map(({ command, exe }) => command || exe).join(", ") || "none";
  const known = new Set(facts.get("account")).size;
  const accounts = (facts.get("account") ?? []).filter((line) => !line.endsWith("|locked")).map((line) => line.split("|").join(": "));
  const words = spoken(console);
  if (debug) {
    const program = init === "systemd" && last(facts, "login") === undefined ? "no login program" : undefined;
    const open = [...logins, ...shells];
    return [
      check("console is open", program === undefined && open.length > 0, "a login", program ?? list(open)),
      check("root has no password", accounts.includes("root: empty"), "root logs in", accounts.join(", ") || "all accounts locked"),
    ];
  }
  return [
    check("no login", running.length > 0 && logins.length === 0, "none", list(logins)),
    check("no shell", running.length > 0 && shells.length === 0 && !console.includes(SHELL_ANSWER), "none", list(shells)),
    check(
      "no password",
      known > 0 && accounts.length === 0,
      "all accounts locked",
      known === 0 ? "not told" : accounts.join(", ") || `${known} locked`,
    ),
    check("console is silent", words === "", "nothing", words === "" ? "nothing" : words.slice(0, 60)),
  ];
};

/** What came out of the console after the firmware handed over, without terminal control sequences; these may stand between its dots. */
export function spoken(console: string): string {
  const plain = console.replaceAll(CONTROL_SEQUENCE, "");
  const handover = [...plain.matchAll(/Booting from [A-Z]+[.\s]*/g)].at(-1);
  const said = handover === undefined ? plain : plain.slice(handover.index + handover[0].length);
  return said.replace(/[^!-~\n]+/g, " ").trim();
}

/** ECMA-48 control sequences and single escapes. */
const CONTROL_SEQUENCE = new RegExp(`${String.fromCharCode(0x1b)}(\\[[0-9;?]*[a-zA-Z]|[a-zA-Z])`, "g");

const kernel: Rule = ({ debug }, { facts }) => {
  const settings = new Map((facts.get("sysctl") ?? []).map((line) => [line.split("=")[0], line.split("=")[1]]));
  const locked = settings.get("modules_disabled");
  const load = attempt(facts, "load-module");
  // An argument that is no module: only a kernel that still takes modules looks inside.
  const refusedEarly = load?.refused === true && /not permitted|not implemented/i.test(load.answer);
  const sysrq = settings.get("sysrq");
  const files = new Map((facts.get("sys") ?? []).map((line) => [line.split("=")[0], line.split("=")[1]]));
  const lockdown = files.get("kernel/security/lockdown") ?? "not told";
  const recorded = files.get("module/pstore/parameters/kmsg_bytes") ?? "not told";
  return [
    check(
      "module loading",
      locked === "none" || (refusedEarly && locked === "1"),
      "off",
      locked === "none" ? "not in this kernel" : locked === "1" ? lastWords(load?.answer ?? "") : "on",
    ),
    check("lockdown", /\[(integrity|confidentiality)\]|^none$/.test(lockdown), "on", lockdown === "none" ? "not in this kernel" : lockdown),
    check(
      "log of a crash",
      /^(0|none)$/.test(recorded),
      "kept from the host",
      recorded === "none" ? "not in this kernel" : `${recorded} bytes`,
    ),
    ...(debug
      ? []
      : [check("SysRq", sysrq === "0" || sysrq === "none", "off", sysrq === "none" ? "not in this kernel" : (sysrq ?? "not told"))]),
  ];
};

/** The boot offers credentials, a UUID, and sometimes EFI variables: a unit, a password or a kernel parameter could come that way. */
const settings: Rule = ({ init }, { facts }) => {
  const taken = [
    ...all(facts, "credential"),
    ...all(facts, "offered"),
    ...all(facts, "manager").filter((variable) => variable.startsWith("HAL_PROOF")),
    ...all(facts, "machine-id").filter((id) => id === OFFERED_UUID.replaceAll("-", "")),
  ];
  const found = last(facts, "credentials") === "seen" ? taken.join(", ") || "none" : "not told";
  return init === "systemd" ? [check("the host's settings", found === "none", "none taken", found)] : [];
};

const rules: readonly Rule[] = [readiness, verityRoot, ramRoot, rw, swap, tmpfs, network, doors, settings, kernel];

/** Figures, for people and for benchmarks. */
export interface Figures {
  /** Seconds of the guest's clock until its init runs, and until it is ready. */
  readonly initSeconds: number | undefined;
  readonly readySeconds: number | undefined;
  /** Bytes. */
  readonly memoryUsed: number | undefined;
  readonly memoryTotal: number | undefined;
}

export function figures(facts: Facts): Figures {
  const number = (key: string): number | undefined => (last(facts, key) === undefined ? undefined : Number(last(facts, key)));
  const used = memory(facts);
  return { initSeconds: number("init-at"), readySeconds: number("ready-at"), memoryUsed: used?.used, memoryTotal: used?.total };
}
