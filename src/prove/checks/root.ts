import { rootHashOf } from "../../codecs/cmdline.js";
import { attempt, type Facts, lastValue, type Mapping, mappings, mountAt, targetOf, targetText } from "../facts.js";
import { type Check, type CheckGroup, check, NOT_REPORTED } from "./check.js";

/** The root is a read-only ext4 under dm-verity with the root hash of the command line, or it is in RAM. */
export const rootChecks: CheckGroup = ({ layout }, { facts }) => (layout.root.type === "verity" ? verityChecks(facts) : [ramCheck(facts)]);

function verityChecks(facts: Facts): Check[] {
  const root = mountAt(facts, "/");
  const mapping = mappings(facts).find(({ device }) => device === root?.device);
  const isVerity = mapping !== undefined && targetOf(mapping) === "verity";
  return [
    check("root is verified", isVerity, "dm-verity", mapping === undefined ? "no device mapping" : targetText(mapping)),
    ...rootHashCheck(facts, mapping),
    check(
      "root is read-only",
      (root?.options ?? []).filter((option) => option === "ro").length === 2 && mapping?.readOnly === true,
      "mount, filesystem and device read-only",
      describeReadOnly(root?.options, mapping),
    ),
    check("root filesystem", root?.type === "ext4", "ext4", root?.type ?? "none"),
    ...refusals.map(([name, what]) => refusalCheck(facts, name, what)),
  ];
}

/** dmsetup reports the root hash that the kernel enforces. Without dmsetup only the target type is known. */
function rootHashCheck(facts: Facts, mapping: Mapping | undefined): Check[] {
  if (mapping === undefined || mapping.table === "") return [];
  const expected = rootHashOf(lastValue(facts, "cmdline") ?? "") ?? "one root hash on the command line";
  // Fields of the table: start, length, target, version, data and hash device, two block sizes, blocks, hash start, algorithm, root hash
  // (Linux Documentation/admin-guide/device-mapper/verity.rst).
  const enforced = mapping.table.split(" ")[11] ?? NOT_REPORTED;
  return [check("root hash", enforced === expected, expected, enforced)];
}

function describeReadOnly(options: readonly string[] | undefined, mapping: Mapping | undefined): string {
  const mount = options?.includes("ro") ? "mounted read-only" : "mounted read-write";
  return mapping === undefined ? mount : `${mount}, device ${mapping.readOnly ? "read-only" : "writable"}`;
}

/** Attempts of the probe that must fail. */
const refusals = [
  ["write-root", "write to / refused"],
  ["write-etc", "write to /etc refused"],
  ["write-usr", "write to /usr refused"],
  ["write-remounted", "write after remount refused"],
  ["write-device", "write to root device refused"],
] as const;

function refusalCheck(facts: Facts, name: string, what: string): Check {
  const tried = attempt(facts, name);
  if (tried === undefined) return check(what, false, "refused", "not attempted");
  return check(what, tried.refused, "refused", tried.refused ? errorReason(tried.message) : "allowed");
}

/** The reason at the end of a tool's message, such as `Read-only file system`. */
export function errorReason(message: string): string {
  return (/: ([^:]+)$/.exec(message)?.[1] ?? message).replace(/ [0-9]+\+0 records.*/, "").trim();
}

function ramCheck(facts: Facts): Check {
  const type = mountAt(facts, "/")?.type ?? "rootfs";
  return check("root is in RAM", ["rootfs", "tmpfs", "ramfs"].includes(type), "rootfs or tmpfs", type);
}
