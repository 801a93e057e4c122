import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { build, out, succeed } from "./harness.js";

interface Check {
  readonly name: string;
  readonly ok: boolean;
}

describe.each(["sev-snp", "sev-snp-ram", "tdx", "sev", "dev"])("%s", (profile) => {
  test("builds, and keeps every promise when it boots", async () => {
    await build(profile);
    const { stdout } = await succeed(["test", join(out, profile), "--json"]);
    const { checks, figures } = JSON.parse(stdout) as { checks: Check[]; figures: Record<string, number> };
    console.log(`${profile}: ${checks.length} promises kept, ${JSON.stringify(figures)}`);
    expect(checks.length).toBeGreaterThan(10);
  });

  test("its manifest holds, and building it again does nothing", async () => {
    await succeed(["verify", join(out, profile)]);
    expect((await build(profile)).upToDate).toBe(true);
  });
});

test("sev-snp withstands a hostile host in every case", async () => {
  const { stdout } = await succeed(["test", join(out, "sev-snp"), "--hostile", "--json"]);
  const { cases } = JSON.parse(stdout) as { cases: { name: string; ok: boolean; seconds: number }[] };
  for (const { name, seconds } of cases) console.log(`${name}: ${Math.round(seconds)} s`);
  expect(cases.length).toBeGreaterThanOrEqual(12);
});

test.each(["sev-snp", "sev-snp-ram"])("%s: every predicted PCR is what a real TPM holds", async (profile) => {
  const { stdout } = await succeed(["test", join(out, profile), "--tpm", "--json"]);
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  console.log(`${profile}: ${checks.length} PCR values equal`);
  expect(checks.length).toBeGreaterThanOrEqual(14);
});

test("nitro: the enclave image is measured as its own file says", async () => {
  await build("nitro");
  const { stdout } = await succeed(["measure", "--platform", "nitro", "--eif", join(out, "nitro/nitro.eif"), "--json"]);
  const { values } = JSON.parse(stdout) as { values: { register: string; value: string }[] };
  expect(values.map(({ register }) => register)).toEqual(["pcr0", "pcr1", "pcr2"]);
});
