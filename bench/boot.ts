/**
 * Compares boot time and memory of images with different layouts: `npx tsx bench/boot.ts [ROUNDS]`. Builds with the debian backend
 * (cached) and boots the images in turn. Prints ratios and targets; checks nothing.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const rounds = Number(process.argv[2] ?? 3);
mkdirSync(join(root, "out"), { recursive: true });
const work = mkdtempSync(join(root, "out/bench-")); // /tmp may be too small for images
const hal = (...args: string[]): string =>
  execFileSync("node", [join(root, "dist/main.js"), ...args], {
    cwd: work,
    env: { ...process.env, CI: "true" },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  });

interface Boot {
  readonly initSeconds: number;
  readonly readySeconds: number;
  /** Bytes. */
  readonly memoryUsed: number;
}

function build(profile: string, name = profile): string {
  hal("build", "--profile", profile, "--backend", "debian", "--out", join(work, "out"));
  return join(work, "out", name);
}

/** Builds `dev` with another size and integrity of the read-write partition. */
function withRw(name: string, size: string, integrity: string): string {
  const file = join(work, `${name}.yaml`);
  const options = `layoutOptions: {rwSize: ${size}, integrity: ${integrity}}`;
  writeFileSync(file, `apiVersion: hal/v1\nkind: Profile\nname: ${name}\nextends: dev\n${options}\n`);
  return build(file, name);
}

const boot = (dir: string): Boot => (JSON.parse(hal("test", dir, "--json")) as { figures: Boot }).figures;
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Boots two images in turn, so that a change of the machine's load affects both. */
function compare(a: string, b: string): [Boot[], Boot[]] {
  const pairs = Array.from({ length: rounds }, () => [boot(a), boot(b)] as const);
  return [pairs.map(([first]) => first), pairs.map(([, second]) => second)];
}

function report(what: string, [a, b]: [Boot[], Boot[]], value: (boot: Boot) => number, unit: string, target: string): void {
  const [x, y] = [median(a.map(value)), median(b.map(value))];
  console.log(`${what.padEnd(66)} ${x.toFixed(2)} ${unit} : ${y.toFixed(2)} ${unit} = ${(x / y).toFixed(2)}   target ${target}`);
}

try {
  const rw = compare(withRw("rw-auth", "20G", "hmac-sha256"), withRw("rw-plain", "1G", "none"));
  report("readiness: rw of 20 GB authenticated : 1 GB not authenticated", rw, (one) => one.readySeconds, "s", "<= 1.3");
  report("early boot: the same", rw, (one) => one.initSeconds, "s", "<= 1.3");
  const layouts = compare(build("sev-snp"), build("sev-snp-ram"));
  report("memory used at readiness: sev-snp : sev-snp-ram", layouts, (one) => one.memoryUsed / 1e6, "MB", "< 0.33");
} finally {
  rmSync(work, { recursive: true, force: true });
}
