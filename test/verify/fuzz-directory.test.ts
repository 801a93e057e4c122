import { execFileSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { measure } from "../../src/commands/measure.js";
import { runImage } from "../../src/launch/run.js";
import { HalError } from "../../src/lib/errors.js";
import { verifyOutput } from "../../src/verify/verify.js";
import { mutate, type Random, seeded } from "../codecs/mutate.js";
import { fitManifest, imageDirectory } from "./image-fixture.js";
import { mutateJson } from "./mutate-json.js";

/*
 * Mutated image directories. A larger run, and the files that hal opens in it:
 *   HAL_FUZZ=20000 npx vitest run --project unit test/verify/fuzz-directory.test.ts
 *   HAL_FUZZ=1000 strace -f -e trace=open,openat,openat2,execve,connect -o trace npx vitest run --project unit test/verify/fuzz-directory.test.ts
 * In the trace, no process opens the file `canary` after it was written, and no process connects or starts QEMU.
 */
const RUNS = Number(process.env.HAL_FUZZ ?? 150);
/** Milliseconds for one directory. */
const LIMIT = 20_000;

const documents = ["launch.json", "launch.json", "launch.json", "manifest.json", "measurements.json"] as const;
const profiles = ["sev-snp", "sev-snp-ram", "tdx", "tdx-ram", "sev"];
let work = "";
let originals: readonly string[] = [];
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "hal-fuzz-directory-"));
  originals = await Promise.all(profiles.map((profile) => imageDirectory(profile)));
  await writeFile(join(work, "canary"), "must not be opened");
});
afterAll(() => Promise.all([work, ...originals].map((dir) => rm(dir, { recursive: true }))));

/** Changes one document, or the type of one file. */
async function damage(dir: string, random: Random): Promise<string> {
  const name = documents[random(documents.length)] ?? "launch.json";
  const file = join(dir, name);
  const kind = random(20);
  if (kind === 0) {
    const entry = [...documents, "bzImage", "rootfs.cpio.gz", "other"][random(8)] ?? "";
    await rm(join(dir, entry), { force: true });
    if (random(2) === 0) await symlink(join(work, "canary"), join(dir, entry));
    else execFileSync("mkfifo", [join(dir, entry)]);
    return `${entry} is no file`;
  }
  const bytes = await readFile(file);
  await writeFile(
    file,
    kind < 4 ? mutate(bytes, random, 0, bytes.length) : JSON.stringify(mutateJson(JSON.parse(bytes.toString("utf8")), random)),
  );
  // Half of the publishers make the manifest fit.
  if (name !== "manifest.json" && random(2) === 0) await fitManifest(dir);
  return name;
}

test(
  `${RUNS} damaged directories give findings or a located error, and no crash`,
  async () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    vi.spyOn(process.stderr, "write").mockReturnValue(true);
    const random = seeded(Number(process.env.HAL_FUZZ_SEED ?? 20261201));
    const outcomes = new Map<string, number>();
    const messages = new Set<string>();
    const failures: string[] = [];
    const attempt = async (name: string, act: () => Promise<unknown>, what: string): Promise<void> => {
      const began = performance.now();
      let outcome = "accepted";
      try {
        const result = await act();
        if (Array.isArray(result) && result.some(({ ok }: { ok: boolean }) => !ok)) outcome = "findings";
      } catch (error) {
        outcome = error instanceof HalError ? error.kind : "crash";
        if (error instanceof HalError) messages.add(error.message.replace(/\d+/g, "N").slice(0, 60));
        else failures.push(`${name}, ${what}: ${error instanceof Error ? error.stack : error}`);
      }
      if (performance.now() - began > LIMIT) failures.push(`${name}, ${what}: took too long`);
      outcomes.set(`${name} ${outcome}`, (outcomes.get(`${name} ${outcome}`) ?? 0) + 1);
    };
    for (let run = 0; run < RUNS; run++) {
      const dir = join(work, "image");
      await cp(originals[random(originals.length)] ?? "", dir, { recursive: true });
      const what = `run ${run}, ${await damage(dir, random)}`;
      await attempt("verify", () => verifyOutput(dir), what);
      await attempt(
        "run",
        () => runImage(dir, { accel: "kvm", print: true, format: "qemu", shares: {}, forwards: [], monitors: [], note: () => {} }),
        what,
      );
      await attempt("measure", () => measure(dir, { initrd: [], nativeZero: false, explain: false, json: true }), what);
      await rm(dir, { recursive: true });
    }
    write.mockRestore();
    vi.restoreAllMocks();
    console.log(Object.fromEntries([...outcomes].sort()), `${messages.size} different messages`);
    expect(failures.slice(0, 5)).toEqual([]);
    // A fuzz test that reaches nothing proves nothing.
    expect(outcomes.get("verify findings") ?? 0).toBeGreaterThan(RUNS / 4);
    expect(outcomes.get("run check") ?? 0).toBeGreaterThan(RUNS / 60);
    expect(messages.size).toBeGreaterThan(Math.min(RUNS / 20, 40));
  },
  Math.max(120_000, RUNS * 200),
);
