import { allValues, attempt, type Facts, type Mapping, mappings, mountAt, targetOf, targetText } from "../facts.js";
import type { DiskFindings } from "../scan-disk.js";
import { type Check, type CheckGroup, check } from "./check.js";
import { errorReason } from "./root.js";

/** The read-write partition and swap are encrypted, and the disk contains no plaintext and no LUKS header. */
export const encryptionChecks: CheckGroup = (promises, evidence) => [...rwChecks(promises, evidence), ...swapChecks(promises, evidence)];

const rwChecks: CheckGroup = ({ layout }, { facts, disk }) => {
  if (layout.rw === undefined) return [];
  const { mount: point, integrity, binds, exec } = layout.rw;
  const options = ["nodev", "nosuid", ...(exec ? [] : ["noexec"])];
  const mount = mountAt(facts, point);
  const layers = layersOf(facts, mount?.device);
  const found = describeLayers(layers);
  return [
    check(`${point} is encrypted`, isEncrypted(layers), "dm-crypt", found),
    ...(integrity === "none"
      ? []
      : [check(`${point} is authenticated`, isAuthenticated(layers), `dm-crypt on dm-integrity with ${integrity}`, found)]),
    ...[point, ...binds].map((path) => optionsCheck(facts, path, options)),
    ...(exec ? [] : [programCheck(facts, point)]),
    plaintextCheck(facts, disk, "rw", point),
    check(
      "no LUKS header on disk",
      disk !== undefined && !disk.rw.includes("luks"),
      "none",
      disk === undefined ? "no disk" : disk.rw.includes("luks") ? "a LUKS header" : "none",
    ),
  ];
};

function optionsCheck(facts: Facts, path: string, expected: readonly string[]): Check {
  const found = mountAt(facts, path)?.options;
  const shown = found?.filter((option) => /^(no)?(dev|suid|exec)$/.test(option)).join(", ");
  return check(
    `${path} mount options`,
    expected.every((option) => found?.includes(option)),
    expected.join(", "),
    shown ?? "not mounted",
  );
}

/** The probe copies a program to the partition and starts it. */
function programCheck(facts: Facts, point: string): Check {
  const tried = attempt(facts, "run-rw");
  const found = tried === undefined ? "not attempted" : tried.refused ? errorReason(tried.message) : "it ran";
  return check(`programs on ${point} refused`, tried?.refused === true, "refused", found);
}

const swapChecks: CheckGroup = ({ layout }, { facts, disk }) => {
  // The first line of /proc/swaps has the column titles.
  const areas = allValues(facts, "swap")
    .slice(1)
    .map((line) => line.split(/\s+/)[0] ?? "");
  if (layout.swap === undefined) return [check("no swap", areas.length === 0, "none", areas.join(", ") || "none")];
  const known = mappings(facts);
  const deviceOf = (area: string): string | undefined =>
    known.find(({ name, kernelName }) => area === `/dev/mapper/${name}` || area === `/dev/${kernelName}`)?.device;
  const stacks = areas.map((area) => ({ area, layers: layersOf(facts, deviceOf(area)) }));
  const found = stacks.map(({ area, layers }) => (layers.length === 0 ? `${area} without encryption` : describeLayers(layers))).join(", ");
  const encrypted = areas.length > 0 && stacks.every(({ layers }) => isEncrypted(layers));
  return [check("swap is encrypted", encrypted, "dm-crypt", found || "no swap"), plaintextCheck(facts, disk, "swap", "swap")];
};

/** The mapping of a device and the mappings directly below it; empty for a device that is no mapping. */
function layersOf(facts: Facts, device: string | undefined): Mapping[] {
  const known = mappings(facts);
  const top = known.find((mapping) => mapping.device === device);
  if (top === undefined) return [];
  return [top, ...known.filter((mapping) => top.slaves.includes(mapping.kernelName))];
}

function isEncrypted([top]: readonly Mapping[]): boolean {
  return top !== undefined && targetOf(top) === "crypt" && !/ crypt (capi:)?cipher_null/.test(top.table);
}

function isAuthenticated(layers: readonly Mapping[]): boolean {
  const table = layers[0]?.table ?? "";
  return layers.some((layer) => targetOf(layer) === "integrity") && (table === "" || /integrity:[1-9]/.test(table));
}

/** Target types from top to bottom, and the cipher if dmsetup reported it; never the key. */
function describeLayers(layers: readonly Mapping[]): string {
  const targets = layers.map(targetText).join(" on ") || "no device mapping";
  const cipher = / crypt (\S+)/.exec(` ${layers[0]?.table ?? ""}`)?.[1];
  return cipher === undefined ? targets : `${targets} (${cipher})`;
}

/** The probe wrote the marker through the encrypted device, and the partition contains neither the marker nor a filesystem or swap signature. */
function plaintextCheck(facts: Facts, disk: DiskFindings | undefined, area: "rw" | "swap", name: string): Check {
  const written = allValues(facts, "marker").includes(area);
  const plain = (disk?.[area] ?? []).filter((finding) => finding !== "luks");
  const found = !written ? "marker not written" : disk === undefined ? "no disk" : plain.join(", ") || "none";
  return check(`${name}: no plaintext on disk`, written && disk !== undefined && plain.length === 0, "none", found);
}
