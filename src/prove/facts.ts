/** What the probe said, line by line: values by key, in the order they came. */
export type Facts = ReadonlyMap<string, readonly string[]>;

/** Reads the probe's `key=value` lines; anything else on the line (a half-written last line) is left out. */
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

export function all(facts: Facts, key: string): readonly string[] {
  return facts.get(key) ?? [];
}

/** The last value of a key. */
export function last(facts: Facts, key: string): string | undefined {
  return facts.get(key)?.at(-1);
}

/** Whether the probe came to tell all facts: what is absent from half a report may still be there. */
export function isComplete(facts: Facts): boolean {
  return all(facts, "stage").includes("facts");
}

/** One line of /proc/PID/mountinfo (proc(5)). */
export interface Mount {
  /** `major:minor`. */
  readonly device: string;
  readonly point: string;
  readonly type: string;
  readonly source: string;
  /** Options of the mount and of the filesystem. */
  readonly options: readonly string[];
}

/** The mounts of PID 1, without the probe's own; of several on one directory the last is the one that is seen. */
export function mounts(facts: Facts): Mount[] {
  const found: Mount[] = [];
  for (const line of all(facts, "mount")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device = "", , point = "", options = ""] = before.split(" ");
    const [type = "", source = "", more = ""] = after.split(" ");
    if (point.startsWith("/hal-probe")) continue;
    found.push({ device, point: unescapeOctal(point), type, source, options: [...options.split(","), ...more.split(",")] });
  }
  return found;
}

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
  /** Kernel names of the devices below it. */
  readonly slaves: readonly string[];
  /** Target type and parameters as `dmsetup table` prints them; empty when the image has no dmsetup. */
  readonly table: string;
}

export function mappings(facts: Facts): Mapping[] {
  const tables = new Map(all(facts, "table").map((line) => [line.split(": ")[0] ?? "", line.split(": ").slice(1).join(": ")]));
  return all(facts, "dm").map((line) => {
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

/** Target type of a mapping: from its table, else from the prefix that cryptsetup gives its UUID. */
export function targetOf(mapping: Mapping): "verity" | "crypt" | "integrity" | "other" {
  const type = mapping.table === "" ? undefined : mapping.table.split(" ")[2];
  if (type === "verity" || type === "crypt" || type === "integrity") return type;
  if (type !== undefined) return "other"; // the UUID is only a name that somebody gave
  if (mapping.uuid.startsWith("CRYPT-VERITY-")) return "verity";
  if (/^CRYPT-(LUKS2|PLAIN)-/.test(mapping.uuid)) return "crypt";
  // libcryptsetup names the integrity layer below a LUKS2 device so.
  if (/^CRYPT-(SUBDEV|INTEGRITY)-/.test(mapping.uuid)) return "integrity";
  return "other";
}

/** A process of the image with the number of its controlling terminal (0: none). */
export interface Process {
  readonly pid: number;
  readonly terminal: number;
  readonly exe: string;
  readonly command: string;
}

export function processes(facts: Facts): Process[] {
  return all(facts, "process").map((line) => {
    const [path = "", terminal = "", exe = "", ...command] = line.split("|");
    return { pid: Number(path.replace("/proc/", "")), terminal: Number(terminal), exe, command: command.join("|").trim() };
  });
}

/** A socket that waits for others: TCP in state LISTEN, UDP and raw bound (proc(5), /proc/net/tcp). */
export interface Listener {
  readonly family: "tcp" | "udp" | "raw";
  readonly port: number;
  readonly loopback: boolean;
}

const LISTEN = "0A";
const CLOSE = "07"; // an unconnected UDP or raw socket

export function listeners(facts: Facts): Listener[] {
  return (["tcp", "udp", "raw"] as const).flatMap((family) =>
    ["", "6"].flatMap((version) =>
      all(facts, `${family}${version}`).flatMap((line) => {
        const [, local = "", , state = ""] = line.trim().split(/\s+/);
        if (state !== (family === "tcp" ? LISTEN : CLOSE)) return [];
        const [address = "", port = ""] = local.split(":");
        return [{ family, port: Number.parseInt(port, 16), loopback: isLoopback(address) }];
      }),
    ),
  );
}

/** Addresses in /proc/net/tcp are 32-bit words in the machine's order: 127.0.0.1 is 0100007F. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith("7F");
  return address === "00000000000000000000000001000000" || /^0{16}FFFF0000.{6}7F$/.test(address);
}

/** Memory at readiness, in bytes. */
export interface Memory {
  readonly total: number;
  /** What neither is free nor can be taken back at once (clean file pages, reclaimable slabs), without the probe's own. */
  readonly used: number;
}

export function memory(facts: Facts): Memory | undefined {
  const kib = (name: string): number => {
    const line = all(facts, "meminfo").find((entry) => entry.startsWith(`${name}:`));
    return Number(/([0-9]+) kB/.exec(line ?? "")?.[1]);
  };
  const free = ["MemFree", "Active(file)", "Inactive(file)", "SReclaimable"].reduce((sum, name) => sum + kib(name), 0);
  const total = kib("MemTotal") * 1024;
  const used = total - (free + Number(last(facts, "probe-kib") ?? 0)) * 1024;
  return Number.isFinite(used) ? { total, used } : undefined;
}

/** How an attempt at something forbidden went; undefined when the probe did not get there. */
export function attempt(facts: Facts, name: string): { readonly refused: boolean; readonly answer: string } | undefined {
  const line = all(facts, "attempt").find((entry) => entry.startsWith(`${name}|`));
  if (line === undefined) return undefined;
  const [, outcome = "", ...answer] = line.split("|");
  return { refused: outcome === "refused", answer: answer.join("|").trim() };
}
