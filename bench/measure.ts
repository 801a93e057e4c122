/**
 * Compares the time of `hal measure` with other programs in one run: `npx tsx bench/measure.ts OUT/SNP [OUT/P…]`. The arguments are output
 * directories of `hal build`. Times include the start of each process. Needs `npm run compile`.
 *
 * 1. Measures `hal measure OUT/P`, its peak memory, and sha256sum of the same disk image. Uses the image as it is (sparse) and a copy with
 *    every block allocated. Target: less than 2 s for a disk of 1 GB.
 * 2. Computes the SEV-SNP launch digest of OUT/SNP's firmware, without and with each directory's kernel and initrd. Compares it with
 *    sev-snp-measure if that is on PATH (`pip install sev-snp-measure==0.0.13`). Stops if the two differ.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { readFirmware } from "../src/codecs/ovmf.js";
import { hashKernel } from "../src/measure/sev/hashes-table.js";
import { snpLaunchDigest } from "../src/measure/sev/snp-digest.js";

const dirs = process.argv.slice(2).map((dir) => resolve(dir));
const [first] = dirs;
if (first === undefined) throw new Error("usage: npx tsx bench/measure.ts OUT/SNP [OUT/P…]");
const hal = join(import.meta.dirname, "../dist/main.js");
// Node.js needs 40 ms at each start to read NODE_EXTRA_CA_CERTS, and this program uses no network.
const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
const env = { ...rest, CI: "true" };
/** Runs `least` rounds, then more until `most` rounds or `seconds` are reached. */
const rounds = { least: 3, most: 9, seconds: 10 };
const cpuModel = "EPYC-Genoa";

const capture = (tool: string, args: readonly string[]): string =>
  execFileSync(tool, args, { encoding: "utf8", env, maxBuffer: 1 << 26 }).trim();

/** Returns the fastest of several rounds of each run, in milliseconds. The runs alternate, so the machine's load affects all of them. */
function fastest(runs: readonly (() => void)[]): number[] {
  const times = runs.map((): number[] => []);
  const start = performance.now();
  for (let round = 0; round < rounds.most; round++) {
    if (round >= rounds.least && performance.now() - start > rounds.seconds * 1000) break;
    for (const [index, run] of runs.entries()) {
      const began = performance.now();
      run();
      times[index]?.push(performance.now() - began);
    }
  }
  return times.map((list) => Math.min(...list));
}

const report = (what: string, milliseconds: number, rest = ""): void =>
  console.log(`  ${what.padEnd(58)} ${milliseconds.toFixed(1).padStart(8)} ms   ${rest}`);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** Peak resident memory of a hal process, in bytes. The process reports it when it exits. */
function peakMemory(args: readonly string[]): number {
  const atEnd = 'import{writeSync}from"node:fs";process.on("exit",()=>writeSync(3,String(process.resourceUsage().maxRSS)))';
  const { output, status } = spawnSync(process.execPath, ["--import", `data:text/javascript,${encodeURIComponent(atEnd)}`, hal, ...args], {
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  if (status !== 0) throw new Error(`hal ${args.join(" ")} failed`);
  return Number(output[3]) * 1024;
}

/** A copy of the directory whose disk image has no holes. */
function allocated(dir: string): string {
  const copy = mkdtempSync(join(dir, "../.bench-"));
  for (const name of readdirSync(dir)) {
    if (name === "disk.img") execFileSync("cp", ["--sparse=never", join(dir, name), join(copy, name)]);
    else symlinkSync(join(dir, name), join(copy, name));
  }
  return copy;
}

function everything(dir: string, how: string): void {
  const args = ["measure", dir, "--json"];
  const disk = join(dir, "disk.img");
  const hasDisk = existsSync(disk);
  const runs = [() => capture(process.execPath, [hal, ...args]), ...(hasDisk ? [() => capture("sha256sum", [disk])] : [])];
  const [time = 0, sum] = fastest(runs);
  const { values } = JSON.parse(capture(process.execPath, [hal, ...args])) as { values: readonly unknown[] };
  report(`hal measure ${how}, ${values.length} values`, time, `peak memory ${megabytes(peakMemory(args))}`);
  if (sum === undefined) return;
  const { size, blocks } = statSync(disk);
  report(
    `sha256sum disk.img (${megabytes(size)}, ${megabytes(blocks * 512)} allocated)`,
    sum,
    `hal measure needs ${(time / sum).toFixed(2)} of this time`,
  );
}

interface Boot {
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
}

function bootOf(dir: string): Boot | undefined {
  const launch = JSON.parse(readFileSync(join(dir, "launch.json"), "utf8")) as {
    kernel?: { path: string };
    initrd?: { path: string };
    cmdline: string;
  };
  if (launch.kernel === undefined || launch.initrd === undefined) return undefined;
  return { kernel: join(dir, launch.kernel.path), initrd: join(dir, launch.initrd.path), cmdline: launch.cmdline };
}

const firmware = join(first, "firmware.fd");

function bySevSnpMeasure(vcpus: number, boot?: Boot): string {
  const kernel = boot === undefined ? [] : ["--kernel", boot.kernel, "--initrd", boot.initrd, "--append", boot.cmdline];
  return capture("sev-snp-measure", ["--mode", "snp", "--vcpus", `${vcpus}`, "--vcpu-type", cpuModel, "--ovmf", firmware, ...kernel]);
}

/** Runs one hal process for several vCPU counts. */
function byHal(vcpus: readonly number[], boot?: Boot): readonly string[] {
  const kernel = boot === undefined ? [] : ["--kernel", boot.kernel, "--initrd", boot.initrd, "--cmdline", boot.cmdline];
  const machine = ["--vcpus", vcpus.join(","), "--cpu-model", cpuModel, "--guest-features", "0x1"];
  const output = capture(process.execPath, [
    hal,
    "measure",
    "--platform",
    "sev-snp",
    "--firmware",
    firmware,
    ...machine,
    "--json",
    ...kernel,
  ]);
  return (JSON.parse(output) as { values: readonly { value: string }[] }).values.map(({ value }) => value);
}

/** Calls hal's calculation in this process. */
function calculate(vcpus: readonly number[], boot?: Boot): readonly string[] {
  const read = readFirmware(readFileSync(firmware), firmware);
  const kernel =
    boot === undefined
      ? {}
      : { kernel: hashKernel({ kernel: readFileSync(boot.kernel), initrd: readFileSync(boot.initrd), cmdline: boot.cmdline }) };
  return vcpus.map((count) => snpLaunchDigest({ firmware: read, vcpus: count, cpuModel, guestFeatures: 1n, ...kernel }).digest);
}

function digests(boot: Boot | undefined, what: string): void {
  console.log(`SEV-SNP launch digest, ${what}`);
  for (const counts of [[1], [1, 2, 4, 8], [1, 2, 4, 8, 16, 32, 64, 128]]) {
    const expected = counts.map((count) => bySevSnpMeasure(count, boot));
    for (const found of [byHal(counts, boot), calculate(counts, boot)]) {
      if (expected.join() !== found.join())
        throw new Error(`hal computes\n  ${found.join("\n  ")}\nsev-snp-measure computes\n  ${expected.join("\n  ")}`);
    }
    const runs = [() => counts.map((count) => bySevSnpMeasure(count, boot)), () => byHal(counts, boot), () => calculate(counts, boot)];
    const [reference = 0, time = 0, alone = 0] = fastest(runs);
    report(`sev-snp-measure, vCPUs ${counts.join()}${counts.length > 1 ? ", a process each" : ""}`, reference);
    report(`hal measure, vCPUs ${counts.join()}`, time, `${(reference / time).toFixed(2)} times as fast`);
    report(`  of that the calculation`, alone, `${(reference / alone).toFixed(2)} times as fast`);
  }
}

for (const dir of dirs) {
  console.log(dir);
  everything(dir, "as built");
  if (!existsSync(join(dir, "disk.img"))) continue;
  const copy = allocated(dir);
  try {
    everything(copy, "without holes");
  } finally {
    rmSync(copy, { recursive: true });
  }
}
if (spawnSync("sev-snp-measure", ["--version"]).status === 0) {
  digests(undefined, "firmware alone");
  for (const dir of dirs) {
    const boot = bootOf(dir);
    if (boot !== undefined)
      digests(boot, `kernel ${megabytes(statSync(boot.kernel).size)}, initrd ${megabytes(statSync(boot.initrd).size)}`);
  }
} else console.log("sev-snp-measure is not on PATH");
const [bare = 0, python = 0] = fastest([() => capture(process.execPath, ["-e", "0"]), () => capture("python3", ["-c", "0"])]);
report("node -e 0, the lower limit for a hal process", bare);
report("python3 -c 0", python);
