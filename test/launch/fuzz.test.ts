import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { describeLaunch } from "../../src/launch/describe.js";
import { formats } from "../../src/launch/formats.js";
import { judgeLaunch } from "../../src/launch/judge.js";
import { withoutTee } from "../../src/launch/without-tee.js";
import { canonicalJson } from "../../src/lib/digest.js";
import { HalError } from "../../src/lib/errors.js";
import { validatePlain } from "../../src/load/schema.js";
import type { Launch } from "../../src/model/generated.js";
import { platforms } from "../../src/model/platforms/index.js";
import type { Resolved } from "../../src/model/resolved.js";
import { resolve } from "../../src/resolve/resolve.js";
import { artifactsOf } from "./fixture.js";

const shipped = ["dev", "nitro", "sev", "sev-snp", "sev-snp-ram", "tdx", "tdx-ram"];
const RANDOM_RUNS = 300;

const list = (count: number, item: (index: number) => string): string => `[${Array.from({ length: count }, (_, index) => item(index))}]`;
const forwards = (count: number): string => list(count, (index) => `{host: ${index + 10_000}, guest: ${index + 10_000}}`);

/** Values of every setting that reaches launch.json: ordinary ones, limits, and text that a launcher could misread. */
const settings: Readonly<Record<string, readonly string[]>> = {
  platform: Object.keys(platforms),
  layout: ["ram", "hardened"],
  boot: ["direct", "uki"],
  debug: ["true", "false"],
  "kernel.cmdline": [
    "[]",
    "['a=\"b c\"', 'x,y=,,', 'hal.text=#<&>;|*?']",
    list(8, () => `'${"a".repeat(256)}'`),
    list(60, (index) => `a${index}=${"b".repeat(200)}`),
  ],
  "launch.cpus": ["1", "3", "8", "512", "513"],
  "launch.maxCpus": ["1", "7", "8", "512"],
  "launch.sockets": ["1", "2", "64"],
  "launch.threads": ["1", "2", "8"],
  "launch.cpuModel": ["host", "EPYC-v4", "max", "max,+svm"],
  "launch.memory": ["1K", "64M", "4G", "16T", "17T", "999999999T"],
  "launch.memorySlots": ["1", "256"],
  "launch.maxMemory": ["1", "64G", "999999999T"],
  "launch.firmware": [
    "{}",
    "{package: ovmf}",
    "{package: ovmf-inteltdx, version: 2025.02-8, suite: trixie}",
    "{path: '/a,b/c;d.fd'}",
    '{path: "/a\\u0085b.fd"}',
    '{path: "/a\\nb.fd"}',
    "{path: '/${ENV_PATH}.fd'}",
    "{path: /CODE.fd, vars: '/v,v/VARS.fd'}",
    `{path: '${"/long,".repeat(682)}'}`,
    `{path: ${"long/".repeat(819)}}`,
  ],
  "launch.igvm": ["/i,g/v.igvm", "relative.igvm", "'/${x}'"],
  "launch.disk": ["{snapshot: false}", "{snapshot: true}"],
  "launch.forwards": ["[]", "[{host: 1, guest: 65535}]", "[{host: 1, guest: 2}, {host: 1, guest: 3}]", forwards(400), forwards(6000)],
  "launch.vsock": ["{cid: 3}", "{cid: 4294967294}"],
  "launch.shares": [
    "[]",
    "[{tag: env}, {tag: env_share}]",
    "[{tag: data}, {tag: '-x', type: virtiofs}]",
    "[{tag: data, path: /data}]",
    "[{tag: 1}, {tag: _share}]",
  ],
  "launch.monitors": [
    "[]",
    "[pty]",
    "[pty, unix:monitor]",
    "[unix:a,b]",
    "[unix:/run/monitor]",
    "['unix:..']",
    list(40, (index) => `unix:m${index}`),
  ],
  "launch.quoteGenerationSocket": ["{cid: 2, port: 4050}", "{cid: 4294967294, port: 4294967295}"],
  "launch.guestFeatures": ["0x0", "0x1", "0xffffffffffffffff"],
  "launch.policy": ["0x0", "0x1", "0x5", "0x30000", "0xb0000", "0xffffffffffffffff"],
  "launch.hostData": [`${"A".repeat(43)}=`, "short"],
  "launch.cbitpos": ["32", "63"],
  "launch.reducedPhysBits": ["1", "16"],
};
const all = Object.entries(settings).flatMap(([key, values]) => values.map((value) => `${key}=${value}`));

const dir = await mkdtemp(join(tmpdir(), "hal-launch-fuzz-"));
afterAll(() => rm(dir, { recursive: true }));

/** Resolves a profile. Returns undefined when `resolve` refuses it with a location; every other error fails the test. */
async function resolveOrRefuse(profile: string, set: readonly string[]): Promise<Resolved | undefined> {
  try {
    return await resolve(profile, { set });
  } catch (error) {
    if (!(error instanceof HalError)) throw error;
    expect(error).toMatchObject({ kind: "input", at: { file: expect.any(String) } });
    return undefined;
  }
}

/** Describes what `resolve` accepted. Each format renders it, or refuses it as the user's input. */
function describeAccepted(resolved: Resolved): void {
  const launch = describeLaunch(resolved, artifactsOf(resolved), resolved.cmdline.join(" "));
  // The build and hal verify ask the same questions. The JSON is what verify reads.
  expect(judgeLaunch(JSON.parse(canonicalJson(launch)) as Launch)).toEqual([]);
  const plain = withoutTee(launch);
  for (const each of [launch, plain]) {
    validatePlain(each, "launch", "launch.json");
    for (const format of Object.values(formats)) {
      try {
        expect(format(each, { base: dir })).toMatch(/\n$/);
      } catch (error) {
        expect(error).toMatchObject({ kind: "input" });
      }
    }
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a launcher must never receive one of these
  expect(launch.argv.filter((word) => /[\u0000-\u001f\u007f-\u009f]/.test(word))).toEqual([]);
}

test.each(shipped)(
  "%s: each setting is refused with a location, or gives a launch.json that matches its schema",
  async (profile) => {
    let accepted = 0;
    const failures: string[] = [];
    for (const setting of all) {
      const resolved = await resolveOrRefuse(profile, [setting]);
      if (resolved === undefined) continue;
      accepted += 1;
      try {
        describeAccepted(resolved);
      } catch (error) {
        failures.push(`--set ${setting.slice(0, 60)}: ${error}`);
      }
    }
    expect(failures).toEqual([]);
    // Both outcomes must occur often, or the table proves little.
    expect(accepted).toBeGreaterThan(all.length / 4);
    expect(all.length - accepted).toBeGreaterThan(all.length / 8);
  },
  300_000,
);

test(`${RANDOM_RUNS} random combinations of settings`, async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...shipped),
      fc.uniqueArray(fc.constantFrom(...all), { minLength: 2, maxLength: 5, selector: (setting) => setting.split("=")[0] ?? "" }),
      async (profile, set) => {
        const resolved = await resolveOrRefuse(profile, set);
        if (resolved === undefined) return;
        accepted += 1;
        describeAccepted(resolved);
      },
    ),
    { numRuns: RANDOM_RUNS, seed: 20261202 },
  );
  expect(accepted).toBeGreaterThan(RANDOM_RUNS / 10);
  expect(accepted).toBeLessThan(RANDOM_RUNS * 0.9);
}, 300_000);
