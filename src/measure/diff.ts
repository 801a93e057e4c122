import { isKernel, readLaunch, readManifest, readMeasurements } from "../bundle/documents.js";
import { files, isUki } from "../bundle/files.js";
import { shortDigests } from "../lib/terminal.js";
import type { Launch, Manifest, Measurements } from "../model/generated.js";

/** A register that differs between two image directories, and the reasons. */
export interface Difference {
  readonly platform: string;
  readonly register: string;
  readonly bank: string;
  /** The value in the first directory, hex; undefined if only the second one has the register. */
  readonly a: string | undefined;
  /** The value in the second directory. */
  readonly b: string | undefined;
  readonly because: readonly string[];
}

interface Side {
  readonly manifest: Manifest;
  readonly launch: Launch;
  readonly measurements: Measurements;
}

async function readSide(dir: string): Promise<Side> {
  const measurements = await readMeasurements(dir);
  return { manifest: await readManifest(dir), launch: await readLaunch(dir), measurements };
}

/**
 * Compares the measurements of two image directories. For each register that differs, it names the artifact, package or setting
 * that caused the difference.
 * @throws HalError "input" for a directory without valid manifest.json, launch.json and measurements.json
 */
export async function diffOutputs(dirA: string, dirB: string): Promise<Difference[]> {
  const [a, b] = [await readSide(dirA), await readSide(dirB)];
  // A build measures one machine, so a different number of vCPUs is a reason for a difference and not part of the key.
  const id = ({ platform, register, bank, holdsFor }: Value): string => `${platform} ${register} ${bank} ${holdsFor.passOrder ?? ""}`;
  const inA = new Map(a.measurements.values.map((value) => [id(value), value]));
  const inB = new Map(b.measurements.values.map((value) => [id(value), value]));
  const differences: Difference[] = [];
  for (const key of new Set([...inA.keys(), ...inB.keys()])) {
    const [left, right] = [inA.get(key), inB.get(key)];
    const value = left ?? right;
    if (value === undefined || left?.value === right?.value) continue;
    const from = new Set([...(left?.from ?? []), ...(right?.from ?? [])]);
    const because =
      left === undefined || right === undefined ? [onlyIn(left === undefined ? dirB : dirA)] : reasons(from, left, right, a, b);
    differences.push({
      platform: value.platform,
      register: value.register,
      bank: value.bank,
      a: left?.value,
      b: right?.value,
      because,
    });
  }
  return differences;
}

const onlyIn = (dir: string): string => `only ${dir} has it`;

type Value = Measurements["values"][number];

/** Returns the reasons why a register differs: its inputs, or else its conditions, such as the release of QEMU. */
function reasons(from: ReadonlySet<string>, left: Value, right: Value, a: Side, b: Side): string[] {
  const inputs = new Set([...from].flatMap((part) => causes(part, a, b)));
  if (inputs.size > 0) return [...inputs];
  const keys = [...new Set([...Object.keys(left.holdsFor), ...Object.keys(right.holdsFor)])];
  const held = keys.flatMap((key) => compare(key, left.holdsFor[key], right.holdsFor[key]));
  return held.length > 0 ? held : ["none of its recorded inputs differs; run hal verify on both directories"];
}

function compare(what: string, left: unknown, right: unknown): string[] {
  return JSON.stringify(left) === JSON.stringify(right) ? [] : [`${what}: ${short(left)} → ${short(right)}`];
}

/** Describes how one input differs. Returns no line if it does not differ. */
function causes(part: string, a: Side, b: Side): string[] {
  const artifact = (wanted: (name: string) => boolean, { manifest }: Side) => manifest.artifacts.find(({ name }) => wanted(name))?.sha256;
  const isDisk = (name: string): boolean => name === files.disk;
  switch (part) {
    case "kernel":
      return [...compare(`kernel ${files.kernel}`, a.launch.kernel?.sha256, b.launch.kernel?.sha256), ...kernelCauses(a, b)];
    case "initrd":
      return compare("initrd", a.launch.initrd?.sha256, b.launch.initrd?.sha256).flatMap((line) => [line, ...packageCauses(a, b)]);
    case "initrd size":
      return compare("initrd size", a.launch.initrd?.size, b.launch.initrd?.size);
    case "cmdline":
      return cmdlineCauses(a, b);
    case "firmware":
    case "igvm":
      return [
        ...compare("firmware", a.launch.firmware?.sha256, b.launch.firmware?.sha256),
        ...compare("  version", a.launch.firmware?.packageVersion, b.launch.firmware?.packageVersion),
      ];
    case "uki":
      return [
        ...compare("unified kernel image", artifact(isUki, a), artifact(isUki, b)),
        ...kernelCauses(a, b),
        ...cmdlineCauses(a, b),
        ...packageCauses(a, b),
      ];
    case "disk":
      return compare("disk image (partition table)", artifact(isDisk, a), artifact(isDisk, b));
    case "certificate":
      return compare("signed enclave image", a.launch.eif?.sha256, b.launch.eif?.sha256);
    case "vcpus":
      return compare("launch.cpus", a.launch.cpu.count, b.launch.cpu.count);
    case "cpuModel":
      return compare("launch.cpuModel", a.launch.cpu.model, b.launch.cpu.model);
    case "memory":
      return compare("launch.memory", a.launch.memory.size, b.launch.memory.size);
    case "guestFeatures":
      return compare("launch.guestFeatures", a.launch.tee?.guestFeatures, b.launch.tee?.guestFeatures);
    default:
      return [];
  }
}

function kernelCauses(a: Side, b: Side): string[] {
  const kernels = ({ manifest }: Side) => manifest.packages.filter(isKernel).map(({ name, version }) => `${name} ${version}`);
  const [left, right] = [kernels(a).join(", "), kernels(b).join(", ")];
  return left === right ? [] : [`  package ${left} → ${right}`];
}

/** The root hash on the command line depends on every file of the root. If it differs, the reasons are packages and rendered files. */
function cmdlineCauses(a: Side, b: Side): string[] {
  const words = ({ launch }: Side) => new Set((launch.cmdline ?? "").split(" "));
  const [left, right] = [words(a), words(b)];
  const gone = [...left].filter((word) => !right.has(word));
  const come = [...right].filter((word) => !left.has(word));
  if (gone.length + come.length === 0) return [];
  const lines = [`cmdline: ${shortDigests(gone.join(" ")) || "nothing"} → ${shortDigests(come.join(" ")) || "nothing"}`];
  return [...gone, ...come].some((word) => word.startsWith("roothash=")) ? [...lines, ...packageCauses(a, b)] : lines;
}

function packageCauses(a: Side, b: Side): string[] {
  const versions = ({ manifest }: Side) => new Map(manifest.packages.map(({ name, version }) => [name, version]));
  const [left, right] = [versions(a), versions(b)];
  const names = [...new Set([...left.keys(), ...right.keys()])].filter((name) => left.get(name) !== right.get(name)).sort();
  const lines = names.slice(0, 8).map((name) => `  package ${name}: ${left.get(name) ?? "absent"} → ${right.get(name) ?? "absent"}`);
  if (names.length > 8) lines.push(`  and ${names.length - 8} more packages`);
  return [...lines, ...fileCauses(a, b)];
}

/** Lists the files of the rendered tree that differ: overlay, units, kernel options, early boot. */
function fileCauses(a: Side, b: Side): string[] {
  const digests = ({ manifest }: Side) => new Map(manifest.inputs.files.map(([path = "", digest]) => [path, digest]));
  const [left, right] = [digests(a), digests(b)];
  const paths = [...new Set([...left.keys(), ...right.keys()])].filter((path) => left.get(path) !== right.get(path)).sort();
  const what = (path: string): string => (!left.has(path) ? "added" : !right.has(path) ? "removed" : "changed");
  const lines = paths.slice(0, 12).map((path) => `  ${path} ${what(path)}`);
  return paths.length > 12 ? [...lines, `  and ${paths.length - 12} more rendered files`] : lines;
}

function short(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "absent");
  return shortDigests(text);
}
