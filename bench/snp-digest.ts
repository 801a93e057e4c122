/**
 * SEV-SNP launch digests by hal and by sev-snp-measure, same inputs, side by side in one run, whole processes with start-up:
 * `npx tsx bench/snp-digest.ts FIRMWARE [KERNEL INITRD CMDLINE]`. Needs `npm run compile`, and `sev-snp-measure` on PATH
 * (`pip install sev-snp-measure==0.0.13`). Stops if the two disagree.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readFirmware } from "../src/measure/firmware.js";
import { hashKernel } from "../src/measure/sev-hashes.js";
import { snpLaunchDigest } from "../src/measure/snp.js";

const [firmware, kernel, initrd, cmdline = ""] = process.argv.slice(2);
if (firmware === undefined) throw new Error("usage: npx tsx bench/snp-digest.ts FIRMWARE [KERNEL INITRD CMDLINE]");
const root = join(import.meta.dirname, "..");
const cpuModel = "EPYC-Genoa";
const rounds = 9;
const capture = (file: string, args: readonly string[]): string =>
  execFileSync(file, args, { encoding: "utf8", env: { ...process.env, CI: "true" } }).trim();

function bySevSnpMeasure(vcpus: number): string {
  const boot = kernel === undefined || initrd === undefined ? [] : ["--kernel", kernel, "--initrd", initrd, "--append", cmdline];
  return capture("sev-snp-measure", [
    "--mode",
    "snp",
    "--vcpus",
    String(vcpus),
    "--vcpu-type",
    cpuModel,
    "--ovmf",
    firmware ?? "",
    ...boot,
  ]);
}

/** One process for any number of vCPU counts. */
function byHal(vcpus: readonly number[]): readonly string[] {
  const boot = kernel === undefined || initrd === undefined ? [] : ["--kernel", kernel, "--initrd", initrd, "--cmdline", cmdline];
  const args = [
    "measure",
    "--platform",
    "sev-snp",
    "--firmware",
    firmware ?? "",
    "--vcpus",
    vcpus.join(","),
    "--cpu-model",
    cpuModel,
    "--json",
  ];
  const output = capture(process.execPath, [join(root, "dist/main.js"), ...args, "--guest-features", "0x1", ...boot]);
  const { values } = JSON.parse(output) as { values: readonly { platform: string; value: string }[] };
  return values.filter(({ platform }) => platform === "sev-snp").map(({ value }) => value);
}

/** hal's calculator without the process around it. */
function calculate(vcpus: readonly number[]): readonly string[] {
  const read = readFirmware(readFileSync(firmware ?? ""), firmware ?? "");
  const boot =
    kernel === undefined || initrd === undefined
      ? {}
      : { kernel: hashKernel({ kernel: readFileSync(kernel), initrd: readFileSync(initrd), cmdline }) };
  return vcpus.map((count) => snpLaunchDigest({ firmware: read, vcpus: count, cpuModel, guestFeatures: 1n, ...boot }).digest);
}

/** The fastest of several rounds, in milliseconds: what the machine can do when nothing else runs. */
function fastest(run: () => void): number {
  const times = Array.from({ length: rounds }, () => {
    const began = performance.now();
    run();
    return performance.now() - began;
  });
  return Math.min(...times);
}

function report(what: string, run: () => void, reference: number): void {
  const time = fastest(run);
  console.log(`${what.padEnd(52)} ${time.toFixed(1).padStart(8)} ms   ${(reference / time).toFixed(2)} times as fast as sev-snp-measure`);
}

for (const counts of [[4], [1, 2, 4, 8, 16, 32, 64, 128]]) {
  const expected = counts.map(bySevSnpMeasure);
  for (const found of [byHal(counts), calculate(counts)]) {
    if (expected.join() !== found.join())
      throw new Error(`hal says\n  ${found.join("\n  ")}\nsev-snp-measure says\n  ${expected.join("\n  ")}`);
  }
  const reference = fastest(() => counts.forEach(bySevSnpMeasure));
  console.log(`sev-snp-measure, ${counts.length} vCPU counts, a process each: ${reference.toFixed(1)} ms`);
  report(`hal measure, ${counts.length} vCPU counts, one process`, () => byHal(counts), reference);
  report(`the calculation alone, ${counts.length} vCPU counts`, () => calculate(counts), reference);
}
const bare = fastest(() => capture(process.execPath, ["-e", "0"]));
console.log(`node -e 0 (no process of hal's can be faster): ${bare.toFixed(1)} ms`);
