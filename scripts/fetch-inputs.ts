/**
 * Fetches the large inputs of the test vectors (table: test/vectors/inputs.ts) from their Debian packages into hal's cache.
 * Does nothing when all of them are there. Says why an input cannot be had; the tests that need it are then skipped.
 * HAL_TEST_INPUTS names a directory with copies, for what the archive does not have (any more).
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Apt, findSources, makeApt } from "../src/backends/debian/archive.js";
import { cacheAt, sweep, withScratch } from "../src/backends/debian/cache.js";
import { sha256, sha256File } from "../src/lib/digest.js";
import { HalError } from "../src/lib/errors.js";
import { cacheRoot } from "../src/lib/paths.js";
import { note } from "../src/lib/terminal.js";
import { runCommand } from "../src/lib/tools.js";
import { type Input, inputPath, inputs } from "../test/vectors/inputs.js";

type Named = readonly [name: string, input: Input];

const isThere = async ([name, { sha256: expected }]: Named): Promise<boolean> =>
  existsSync(inputPath(name)) && (await sha256File(inputPath(name))) === expected;

async function fetchAll(wanted: readonly Named[]): Promise<void> {
  note(`hal: fetching ${wanted.length} inputs of the test vectors from Debian's archive`);
  const cache = cacheAt(cacheRoot());
  await sweep(cache);
  await withScratch(cache, async (dir) => {
    const suites = [...new Set(wanted.map(([, { suite }]) => suite))];
    await Promise.all(
      suites.map((suite) =>
        fetchSuite(
          suite,
          wanted.filter(([, input]) => input.suite === suite),
          join(dir, suite),
        ),
      ),
    );
  });
  for (const [reason, what] of reports) note(`hal: ${reason}\n${what.map((line) => `  ${line}\n`).join("")}`.trimEnd());
}

/** Fetches the inputs of one suite, with an apt of its own. */
async function fetchSuite(suite: string, wanted: readonly Named[], dir: string): Promise<void> {
  await mkdir(dir);
  let apt: Apt;
  try {
    apt = await makeApt(join(dir, "apt"), await findSources({ suite }, dir), false);
    // Without this option, apt-get also succeeds when it reaches no archive.
    await runCommand({ tool: "apt-get", args: ["--quiet", "--option=APT::Update::Error-Mode=any", "update"], env: apt.env });
  } catch (error) {
    for (const named of wanted) await copyInstead(named, `no package lists of ${suite}: ${reasonOf(error)}`);
    return;
  }
  for (const named of wanted) {
    try {
      await keep(named, await unpack(named[1], await mkdtemp(join(dir, "package-")), apt));
    } catch (error) {
      await copyInstead(named, reasonOf(error));
    }
  }
}

/** Downloads and unpacks an input's package; returns the bytes of the input. */
async function unpack(input: Input, dir: string, apt: Apt): Promise<Uint8Array> {
  const args = ["--quiet", "download", `${input.package}=${input.version}`];
  await runCommand({ tool: "apt-get", args, env: apt.env, cwd: dir });
  const [deb = ""] = await readdir(dir);
  await runCommand({ tool: "dpkg-deb", args: ["--extract", deb, "tree"], cwd: dir });
  const bytes = await readFile(join(dir, "tree", input.file));
  return input.initrd === undefined ? bytes : packInitrd(input.initrd, bytes, dir);
}

async function packInitrd({ archive, offset }: NonNullable<Input["initrd"]>, file: Uint8Array, dir: string): Promise<Uint8Array> {
  const around = await readFile(join(import.meta.dirname, "../test/vectors", archive));
  const cpio = join(dir, "initrd.cpio");
  await writeFile(cpio, Buffer.concat([around.subarray(0, offset), file, around.subarray(offset)]));
  await runCommand({ tool: "gzip", args: ["-9n", cpio] });
  return readFile(`${cpio}.gz`);
}

/** Puts an input into the cache. A wrong digest fails the script: neither a network nor a newer version explains it. */
async function keep([name, input]: Named, bytes: Uint8Array): Promise<void> {
  const found = sha256(bytes);
  if (found !== input.sha256) {
    process.exitCode = 1;
    throw new HalError("check", `its sha256 is ${found}, and test/vectors/inputs.ts has ${input.sha256}`);
  }
  const path = inputPath(name);
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, bytes);
  await rename(fresh, path);
}

/** Takes an input from HAL_TEST_INPUTS; without a copy there, the reason is the script's answer. */
async function copyInstead(named: Named, reason: string): Promise<void> {
  const [name, { package: debianPackage, version, suite }] = named;
  const copies = process.env.HAL_TEST_INPUTS;
  if (copies !== undefined && existsSync(join(copies, name))) {
    try {
      await keep(named, await readFile(join(copies, name)));
      report(`copied from ${copies}: ${name}`, reason);
    } catch (error) {
      report(`not copied from ${copies}: ${name}`, reasonOf(error));
    }
  } else {
    report(`not fetched: ${name} (${debianPackage} ${version} in ${suite})`, reason);
  }
}

/** What happened to the inputs, by reason: a network that is down is one reason for all of them. */
const reports = new Map<string, string[]>();

function report(what: string, reason: string): void {
  reports.set(reason, [...(reports.get(reason) ?? []), what]);
}

/** What apt says of a package or a version that the archive does not have. */
const gone = /^E: (Version '.*' for '.*' was not found|Unable to locate package )/;

function reasonOf(error: unknown): string {
  if (!(error instanceof HalError)) return error instanceof Error ? error.message : String(error);
  if (error.details.some((line) => gone.test(line))) return "the archive does not have this version any more";
  return error.details.find((line) => /^[EW]: /.test(line)) ?? error.message;
}

const missing: Named[] = [];
for (const named of Object.entries(inputs)) if (!(await isThere(named))) missing.push(named);
if (missing.length > 0) await fetchAll(missing);
