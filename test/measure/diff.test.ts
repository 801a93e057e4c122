import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { canonicalJson, sha256 } from "../../src/lib/digest.js";
import { diffOutputs } from "../../src/measure/diff.js";
import type { Launch, Manifest, Measurements } from "../../src/model/generated.js";
import { manifestOf } from "../bundle/manifest-fixture.js";
import { launchOf } from "../launch/fixture.js";

type Value = Measurements["values"][number];

let dir = "";
let launch: Launch;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "hal-diff-"));
  launch = await launchOf("sev-snp");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const pcr = (value: string, more: Partial<Value> = {}): Value => ({
  platform: "vtpm",
  register: "pcr4",
  bank: "sha256",
  value: sha256(value),
  holdsFor: {},
  from: ["kernel"],
  ...more,
});

interface Side {
  readonly launch?: Partial<Launch>;
  readonly values?: readonly Value[];
  readonly packages?: Manifest["packages"];
  readonly artifacts?: Manifest["artifacts"];
  readonly files?: [string, string][];
}

let count = 0;
async function output({ launch: changed = {}, values = [], packages = [], artifacts = [], files = [] }: Side): Promise<string> {
  count += 1;
  const home = await mkdtemp(join(dir, `${count}-`));
  const manifest = manifestOf({ packages, artifacts, inputs: { digest: sha256(""), tree: sha256(""), files, details: {} } });
  const measurements = { schema: "hal.measurements/v1", values, expect: [], notPredicted: [] };
  await writeFile(join(home, "manifest.json"), canonicalJson(manifest));
  await writeFile(join(home, "launch.json"), canonicalJson({ ...launch, ...changed }));
  await writeFile(join(home, "measurements.json"), canonicalJson(measurements));
  return home;
}

async function because(a: Side, b: Side): Promise<readonly string[]> {
  const differences = await diffOutputs(await output(a), await output(b));
  expect(differences).toHaveLength(1);
  return differences[0]?.because ?? [];
}

test("the same is no difference", async () => {
  expect(await diffOutputs(await output({ values: [pcr("x")] }), await output({ values: [pcr("x")] }))).toEqual([]);
});

test("a package, a file and a parameter behind the root hash, each once", async () => {
  const side = (root: string, packages: Manifest["packages"], files: [string, string][]): Side => ({
    values: [pcr(root, { from: ["initrd", "cmdline"] })],
    launch: { cmdline: `quiet roothash=${sha256(root)}`, initrd: { path: "i", size: 1, sha256: sha256(root) } },
    packages,
    files,
  });
  const jq = { name: "jq", version: "1.7" };
  const motd: [string, string] = ["board/hal/overlay/etc/motd", sha256("")];
  const lines = await because(side("a", [], []), side("b", [jq], [motd]));
  expect(lines.filter((line) => line.includes("package jq: absent → 1.7"))).toHaveLength(1);
  expect(lines.filter((line) => line.includes("etc/motd added"))).toHaveLength(1);
  expect(lines.some((line) => line.startsWith("cmdline: roothash="))).toBe(true);
});

test("another number of vCPUs is the reason, not another register", async () => {
  const digest = (vcpus: number): Side => ({
    values: [pcr(String(vcpus), { platform: "sev-snp", register: "launchDigest", holdsFor: { vcpus }, from: ["vcpus"] })],
    launch: { cpu: { model: "EPYC-v4", count: vcpus } },
  });
  expect(await because(digest(4), digest(8))).toEqual(["launch.cpus: 4 → 8"]);
});

test("a unified kernel image", async () => {
  const uki = (name: string): Side => ({
    values: [pcr(name, { from: ["uki"] })],
    artifacts: [{ name: "boot.efi", size: 1, sha256: sha256(name) }],
  });
  expect(await because(uki("a"), uki("b"))).toEqual([`unified kernel image: ${sha256("a").slice(0, 16)}… → ${sha256("b").slice(0, 16)}…`]);
});

test("the firmware's release, which only the value holds for", async () => {
  const release = (firmwareVersion: string): Side => ({ values: [pcr(firmwareVersion, { holdsFor: { firmwareVersion } })] });
  expect(await because(release("2025.02"), release("2026.08"))).toEqual(["firmwareVersion: 2025.02 → 2026.08"]);
});

test("a register that one of them lacks, and one that nothing explains", async () => {
  const [a, b] = [await output({ values: [pcr("x")] }), await output({})];
  expect((await diffOutputs(a, b))[0]?.because).toEqual([`only ${a} has it`]);
  expect((await diffOutputs(b, a))[0]?.because).toEqual([`only ${a} has it`]);
  expect(await because({ values: [pcr("x")] }, { values: [pcr("y")] })).toEqual([expect.stringMatching(/none of its recorded inputs/)]);
});
