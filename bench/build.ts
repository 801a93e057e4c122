/**
 * Compares build times with other tools in one run: `npx tsx bench/build.ts [PROFILE]` (default sev-snp). The first build needs an
 * empty cache, so the program makes its own. Prints each figure with its reference; checks nothing.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const profile = process.argv[2] ?? "sev-snp";
const work = mkdtempSync(join(tmpdir(), "hal-bench-"));
// Node.js needs 40 ms at each start to read NODE_EXTRA_CA_CERTS.
const { NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
const env = { ...rest, HAL_CACHE: join(work, "cache"), CI: "true" };
const hal = (...args: string[]): void =>
  void execFileSync("node", [join(root, "dist/main.js"), ...args], { cwd: work, env, stdio: ["ignore", "ignore", "pipe"] });

/** Runs a function and returns its duration in seconds. */
function time(run: () => void): number {
  const began = performance.now();
  run();
  return (performance.now() - began) / 1000;
}

const line = (what: string, seconds: number, against = "", reference = 0, target = ""): void =>
  console.log(
    `${what.padEnd(34)} ${seconds.toFixed(2).padStart(8)} s${reference === 0 ? "" : `   ${(seconds / reference).toFixed(2)} x ${against} (${reference.toFixed(2)} s)`}${target === "" ? "" : `   target ${target}`}`,
  );

const site = join(work, "site");
mkdirSync(join(site, "overlay/etc"), { recursive: true });
const write = (text: string): void => writeFileSync(join(site, "overlay/etc/bench"), text);
write("one\n");
writeFileSync(join(site, "bench.yaml"), `apiVersion: hal/v1\nkind: Profile\nname: bench\nextends: ${profile}\noverlays: [overlay]\n`);

try {
  const build = (): void => hal("build", "--profile", join(site, "bench.yaml"), "--backend", "debian");
  const first = time(build);
  const packages = (
    JSON.parse(readFileSync(join(work, "out/bench/manifest.json"), "utf8")) as { packages: { name: string }[] }
  ).packages.map(({ name }) => name);
  const plain = time(() =>
    execFileSync("mmdebstrap", ["--variant=custom", `--include=${packages.join(",")}`, "trixie", join(work, "plain.tar")], {
      stdio: "ignore",
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    }),
  );
  line("first build, cold cache", first, "plain mmdebstrap", plain, "<= 1.3 x");
  const noop = time(build);
  line("no-op rebuild", noop, "first build", first, "< 1.5 s");
  write("two\n");
  const overlay = time(build);
  mkdirSync(join(work, "tree"));
  execFileSync("tar", ["-C", join(work, "tree"), "-xf", join(work, "plain.tar"), "--exclude=./dev/*"]);
  const ext4 = time(() => {
    execFileSync("truncate", ["-s", "1G", join(work, "a.ext4")]);
    execFileSync("/usr/sbin/mkfs.ext4", ["-q", "-b", "4096", "-d", join(work, "tree"), join(work, "a.ext4")], { stdio: "ignore" });
    execFileSync("/usr/sbin/veritysetup", ["format", join(work, "a.ext4"), join(work, "a.verity")], { stdio: "ignore" });
  });
  line("one-file overlay change", overlay, "mkfs.ext4 -d + veritysetup", ext4, "<= 3 x");
  const check = Math.min(...Array.from({ length: 5 }, () => time(() => hal("check"))));
  line("hal check of all profiles, best of 5", check, "", 0, "< 0.5 s");
  const initramfs = readdirSync(join(work, "out/bench")).find((name) => name.startsWith("initramfs"));
  if (initramfs !== undefined)
    console.log(`initramfs ${(readFileSync(join(work, "out/bench", initramfs)).length / 1e6).toFixed(2)} MB   target < 7 MB`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
