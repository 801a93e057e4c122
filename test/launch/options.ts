/**
 * Returns the sorted options of a QEMU command line, so that equal machines have equal lists.
 * Merges repeated `-machine` options, writes `on` as `true`, and sorts the keys of JSON values.
 * Writes `memory-encryption` as `confidential-guest-support`, the new name in QEMU 11.
 * Replaces the id that links a 9p device to its directory by the mount tag.
 */
export function meaning(argv: readonly string[]): string[] {
  const machine = new Map<string, string>();
  const words: { option: string; first: string; values: Map<string, string> }[] = [];
  for (let index = 0; index < argv.length; index += 1) {
    const option = argv[index] ?? "";
    const next = argv[index + 1];
    if (next === undefined || next.startsWith("-")) {
      words.push({ option, first: "", values: new Map() });
      continue;
    }
    index += 1;
    if (plain.has(option)) words.push({ option, first: next, values: new Map() });
    else if (next.startsWith("{")) words.push({ option, first: JSON.stringify(sorted(JSON.parse(next))), values: new Map() });
    else if (option === "-machine") for (const [key, value] of parse(next)) machine.set(machineKeys[key] ?? key, value);
    else {
      const values = parse(next);
      const first = values.get("") ?? "";
      values.delete("");
      words.push({ option, first, values });
    }
  }
  words.push({ option: "-machine", first: "", values: machine });
  const tags = new Map(
    words.filter((word) => word.first === "virtio-9p-pci").map((word) => [word.values.get("fsdev"), word.values.get("mount_tag")]),
  );
  for (const { option, values } of words) {
    const key = option === "-fsdev" ? "id" : "fsdev";
    const tag = tags.get(values.get(key));
    if (tag !== undefined) values.set(key, tag);
  }
  return words
    .map(({ option, first, values }) => `${option} ${[first, ...[...values].map(([k, v]) => `${k}=${v}`).sort()].join(",")}`)
    .sort();
}

const machineKeys: Readonly<Record<string, string>> = { "": "type", "memory-encryption": "confidential-guest-support" };

/** Options whose value is not a list. */
const plain = new Set(["-kernel", "-initrd", "-append", "-bios", "-cpu"]);
const switches: Readonly<Record<string, string>> = { on: "true", off: "false" };

function parse(text: string): Map<string, string> {
  const parts = text.replaceAll(",,", "\u0001").split(",");
  return new Map(
    parts.map((part) => {
      const equals = part.indexOf("=");
      const value = part.slice(equals + 1).replaceAll("\u0001", ",");
      return equals < 0 ? ["", value] : [part.slice(0, equals), switches[value] ?? value];
    }),
  );
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}
