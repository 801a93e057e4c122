/** The report of the probe: values by key, in the order of their lines. */
export type Facts = ReadonlyMap<string, readonly string[]>;

/** Parses the `key=value` lines of the probe. Skips all other lines, and a last line that does not end. */
export function parseFacts(text: string): Facts {
  const facts = new Map<string, string[]>();
  for (const line of text.split("\n").slice(0, -1)) {
    const match = /^([a-z][a-z0-9-]*)=(.*)$/.exec(line.replaceAll("\r", ""));
    if (match?.[1] === undefined) continue;
    const values = facts.get(match[1]) ?? [];
    values.push(match[2] ?? "");
    facts.set(match[1], values);
  }
  return facts;
}

/** All values of a key; empty when the report does not have it. */
export function allValues(facts: Facts, key: string): readonly string[] {
  return facts.get(key) ?? [];
}

/** The last value of a key; undefined when the report does not have it. */
export function lastValue(facts: Facts, key: string): string | undefined {
  return facts.get(key)?.at(-1);
}

/** Whether the probe reported all facts. An incomplete report does not show that something is absent. */
export function isComplete(facts: Facts): boolean {
  return allValues(facts, "stage").includes("facts");
}

/** One line of /proc/PID/mountinfo (proc(5)). */
export interface Mount {
  /** `major:minor`. */
  readonly device: string;
  readonly point: string;
  readonly type: string;
  readonly source: string;
  /** Options of the mount, then of the filesystem. */
  readonly options: readonly string[];
}

/** The mounts of PID 1 in mount order, without those of the probe. */
export function mounts(facts: Facts): Mount[] {
  const found: Mount[] = [];
  for (const line of allValues(facts, "mount")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device = "", , point = "", options = ""] = before.split(" ");
    const [type = "", source = "", more = ""] = after.split(" ");
    if (point.startsWith("/hal-probe")) continue;
    found.push({ device, point: unescapeOctal(point), type, source, options: [...options.split(","), ...more.split(",")] });
  }
  return found;
}

/** The visible mount on a directory: the last one of several. */
export function mountAt(facts: Facts, point: string): Mount | undefined {
  return mounts(facts).findLast((mount) => mount.point === point);
}

function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** One device-mapper device. */
export interface Mapping {
  readonly kernelName: string;
  readonly device: string;
  readonly name: string;
  readonly uuid: string;
  readonly readOnly: boolean;
  /** Kernel names of the devices below it: `sda1`, `dm-1`. */
  readonly slaves: readonly string[];
  /** Sectors, target type and parameters as `dmsetup table` prints them; empty when neither image nor early boot has dmsetup. */
  readonly table: string;
}

/** All device-mapper devices of the guest. */
export function mappings(facts: Facts): Mapping[] {
  const tables = new Map(allValues(facts, "table").map((line) => [line.split(": ")[0] ?? "", line.split(": ").slice(1).join(": ")]));
  return allValues(facts, "dm").map((line) => {
    const [kernelName = "", device = "", name = "", uuid = "", ro = "", slaves = ""] = line.split("|");
    return {
      kernelName,
      device,
      name,
      uuid,
      readOnly: ro === "1",
      slaves: slaves.split(" ").filter(Boolean),
      table: tables.get(name) ?? "",
    };
  });
}

/** The target type of a mapping, from its table; without a table, from the UUID prefix that libcryptsetup assigns. */
export function targetOf(mapping: Mapping): "verity" | "crypt" | "integrity" | "other" {
  const type = mapping.table === "" ? undefined : mapping.table.split(" ")[2];
  if (type === "verity" || type === "crypt" || type === "integrity") return type;
  if (type !== undefined) return "other"; // any program can set the UUID
  if (mapping.uuid.startsWith("CRYPT-VERITY-")) return "verity";
  if (/^CRYPT-(LUKS2|PLAIN)-/.test(mapping.uuid)) return "crypt";
  // The UUID of the integrity layer below a LUKS2 device.
  if (/^CRYPT-(SUBDEV|INTEGRITY)-/.test(mapping.uuid)) return "integrity";
  return "other";
}

/** The name of a mapping's target type for people: `dm-verity`, `dm-linear`. */
export function targetText(mapping: Mapping): string {
  const target = targetOf(mapping);
  return `dm-${target === "other" ? (mapping.table.split(" ")[2] ?? "unknown") : target}`;
}

/** A process of the image. */
export interface Process {
  readonly pid: number;
  /** Device number of the controlling terminal; 0 means none. */
  readonly terminal: number;
  readonly exe: string;
  readonly command: string;
}

/** All processes of the image, without kernel threads. */
export function processes(facts: Facts): Process[] {
  return allValues(facts, "process").map((line) => {
    const [path = "", terminal = "", exe = "", ...command] = line.split("|");
    return { pid: Number(path.replace("/proc/", "")), terminal: Number(terminal), exe, command: command.join("|").trim() };
  });
}

/** A socket that receives from other hosts: TCP in state LISTEN, bound UDP and raw (proc(5), /proc/net/tcp). */
export interface Listener {
  readonly family: "tcp" | "udp" | "raw";
  readonly port: number;
  readonly loopback: boolean;
}

const LISTEN = "0A";
const CLOSE = "07"; // an unconnected UDP or raw socket has this state

/** All sockets that receive from other hosts or from loopback. */
export function listeners(facts: Facts): Listener[] {
  return (["tcp", "udp", "raw"] as const).flatMap((family) =>
    ["", "6"].flatMap((version) =>
      allValues(facts, `${family}${version}`).flatMap((line) => {
        const [, local = "", , state = ""] = line.trim().split(/\s+/);
        if (state !== (family === "tcp" ? LISTEN : CLOSE)) return [];
        const [address = "", port = ""] = local.split(":");
        return [{ family, port: Number.parseInt(port, 16), loopback: isLoopback(address) }];
      }),
    ),
  );
}

/** /proc/net/tcp prints addresses as 32-bit words in native byte order: 127.0.0.1 is 0100007F. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith("7F");
  return address === "00000000000000000000000001000000" || /^0{16}FFFF0000.{6}7F$/.test(address);
}

/** Memory when startup is complete, in bytes. */
export interface Memory {
  readonly total: number;
  /** RAM that is neither free nor reclaimable (clean file pages, reclaimable slabs), without the memory of the probe. */
  readonly used: number;
}

/** Memory figures; undefined when the report does not have them. */
export function memory(facts: Facts): Memory | undefined {
  const kib = (name: string): number => {
    const line = allValues(facts, "meminfo").find((entry) => entry.startsWith(`${name}:`));
    return Number(/([0-9]+) kB/.exec(line ?? "")?.[1]);
  };
  const free = ["MemFree", "Active(file)", "Inactive(file)", "SReclaimable"].reduce((sum, name) => sum + kib(name), 0);
  const total = kib("MemTotal") * 1024;
  const used = total - (free + Number(lastValue(facts, "probe-kib") ?? 0)) * 1024;
  return Number.isFinite(used) ? { total, used } : undefined;
}

/** The result of an attempt that the kernel must refuse; undefined when the probe did not try it. */
export function attempt(facts: Facts, name: string): { readonly refused: boolean; readonly message: string } | undefined {
  const line = allValues(facts, "attempt").find((entry) => entry.startsWith(`${name}|`));
  if (line === undefined) return undefined;
  const [, outcome = "", ...message] = line.split("|");
  return { refused: outcome === "refused", message: message.join("|").trim() };
}

/** Figures of one boot, for people and for benchmarks; undefined when the boot did not reach that point. */
export interface Figures {
  /** Seconds on the guest's clock until the init of the image starts. */
  readonly initSeconds: number | undefined;
  /** Seconds on the guest's clock until startup is complete. */
  readonly readySeconds: number | undefined;
  /** Bytes. */
  readonly memoryUsed: number | undefined;
  readonly memoryTotal: number | undefined;
}

/** Boot times and memory from the report of the probe. */
export function figuresOf(facts: Facts): Figures {
  const number = (key: string): number | undefined => (lastValue(facts, key) === undefined ? undefined : Number(lastValue(facts, key)));
  const used = memory(facts);
  return { initSeconds: number("init-at"), readySeconds: number("ready-at"), memoryUsed: used?.used, memoryTotal: used?.total };
}
