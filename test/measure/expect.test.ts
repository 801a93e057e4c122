import { expect, test } from "vitest";
import { canonicalJson } from "../../src/lib/digest.js";
import { validatePlain } from "../../src/load/schema.js";
import { toMeasurements } from "../../src/measure/measure.js";
import { launchOf, ownFirmware } from "../launch/fixture.js";

const nothing = { values: [], notPredicted: [] };
const expectations = async (profile: string, set: readonly string[] = []) =>
  toMeasurements(nothing, await launchOf(profile, set, ownFirmware)).expect;
const zeros = (bytes: number) => "00".repeat(bytes);

// AMD SEV-SNP ABI 56860, sections 4.3 and 7.3: bit 17 is reserved as 1, bit 18 MIGRATE_MA, bit 19 DEBUG.
test("SEV-SNP: the policy, the privilege level and HOST_DATA", async () => {
  expect(await expectations("sev-snp")).toEqual([
    { platform: "sev-snp", field: "POLICY", allowed: ["0x30000"], set: "0x20000", clear: "0xc0000" },
    { platform: "sev-snp", field: "VMPL", allowed: ["0x0"] },
    { platform: "sev-snp", field: "HOST_DATA", allowed: [zeros(32)] },
  ]);
  expect(await expectations("sev-snp", ["launch.policy=0x130000", `launch.hostData=${"/".repeat(42)}8=`])).toMatchObject([
    { allowed: ["0x130000"] },
    {},
    { allowed: ["ff".repeat(32)] },
  ]);
  expect(await expectations("sev-snp", ["launch.policy=0xb0000", "debug=true"])).toMatchObject([
    { allowed: ["0xb0000"], clear: "0x40000" },
    {},
    {},
  ]);
});

test("SEV-SNP with an IGVM file: its own policy, the privilege level of Linux under COCONUT-SVSM, and the quote of its vTPM", async () => {
  expect(await expectations("sev-snp-ram")).toEqual([
    { platform: "sev-snp", field: "POLICY", set: "0x20000", clear: "0xc0000" },
    { platform: "sev-snp", field: "VMPL", allowed: ["0x0", "0x2"] },
    { platform: "sev-snp", field: "HOST_DATA", allowed: [zeros(32)] },
    { platform: "vtpm", field: "pcrSelect", includes: ["pcr4", "pcr9"] },
  ]);
});

// Intel TDX Module ABI specification, TD ATTRIBUTES: TUD in bits 0 to 7, SEPT_VE_DISABLE 28, MIGRATABLE 29.
test("TDX: attributes without debugging, and no configuration of the host", async () => {
  expect(await expectations("tdx")).toEqual([
    { platform: "tdx", field: "ATTRIBUTES", set: "0x10000000", clear: "0x200000ff" },
    ...["MRCONFIGID", "MROWNER", "MROWNERCONFIG"].map((field) => ({ platform: "tdx", field, allowed: [zeros(48)] })),
  ]);
});

test("SEV, Nitro and an ordinary machine", async () => {
  expect(await expectations("sev")).toEqual([{ platform: "sev", field: "POLICY", allowed: ["0x1"] }]);
  expect(await expectations("sev", ["launch.policy=0x5"])).toEqual([{ platform: "sev-es", field: "POLICY", allowed: ["0x5"] }]);
  expect(await expectations("nitro")).toEqual([{ platform: "nitro", field: "PCR0", forbidden: [zeros(48)] }]);
  expect(await expectations("dev")).toEqual([]);
});

test.each(["sev-snp", "sev-snp-ram", "sev", "tdx", "tdx-ram", "nitro", "dev"])("%s: matches the schema", async (profile) => {
  const measurements = toMeasurements(nothing, await launchOf(profile, [], ownFirmware));
  validatePlain(JSON.parse(canonicalJson(measurements)), "measurements", "measurements.json");
});
