import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { chooseAccel } from "../../src/launch/host.js";
import { bootsKernel } from "../../src/launch/kvm.js";
import { halRoot } from "../../src/lib/paths.js";
import { build, emptyDir, hal, out, succeed } from "./harness.js";

interface Check {
  readonly name: string;
  readonly ok: boolean;
}

describe.each(["sev-snp", "sev-snp-ram", "tdx", "sev", "dev"])("%s", (profile) => {
  test("builds, and passes every check when it boots", async () => {
    await build(profile);
    const { stdout } = await succeed(["test", join(out, profile), "--json"]);
    const { checks, figures } = JSON.parse(stdout) as { checks: Check[]; figures: Record<string, number> };
    console.log(`${profile}: ${checks.length} checks passed, ${JSON.stringify(figures)}`);
    expect(checks.length).toBeGreaterThan(10);
  });

  test("passes hal verify, and a second build is up to date", async () => {
    await succeed(["verify", join(out, profile)]);
    expect((await build(profile)).upToDate).toBe(true);
  });
});

test("a real kernel detects whether an accelerator works", async () => {
  const kernel = join(out, "dev/bzImage");
  expect(await bootsKernel(kernel, "tcg", 120_000)).toBe(true);
  expect(await chooseAccel("auto", kernel)).toBe((await bootsKernel(kernel, "kvm")) ? "kvm" : "tcg");
});

test("sev-snp passes every hostile case", async () => {
  const { stdout } = await succeed(["test", join(out, "sev-snp"), "--hostile", "--json"]);
  const { cases } = JSON.parse(stdout) as { cases: { name: string; ok: boolean; seconds: number }[] };
  for (const { name, seconds } of cases) console.log(`${name}: ${Math.round(seconds)} s`);
  expect(cases.length).toBeGreaterThanOrEqual(12);
});

interface TpmReport {
  readonly checks: readonly Check[];
  readonly verify: readonly string[];
}

/** Boots an image with a TPM and verifies its event log with `hal verify`. Returns the arguments of `hal verify`, to change the prediction. */
async function withTpm(name: string, dir: string): Promise<readonly string[]> {
  const { stdout } = await succeed(["test", dir, "--tpm", "--save", await emptyDir(`tpm-${name}`), "--json"]);
  const { checks, verify } = JSON.parse(stdout) as TpmReport;
  console.log(`${name}: ${checks.length} PCR values and event logs equal`);
  expect(checks.length).toBeGreaterThanOrEqual(20);
  await succeed(verify);
  return verify;
}

test("a UKI from its disk, and with -kernel: a TPM has every predicted PCR value", async () => {
  const { dir } = await build("dev", ["--out", await emptyDir("uki"), "--set", "boot=uki", "--set", "launch.firmware.package=ovmf"]);
  const verify = await withTpm("uki", dir);
  // The log is of the image with the TPM probe. For the image without it, the first event that differs is the UKI.
  const { exitCode, stdout } = await hal([...verify, "--uki", join(dir, "boot.efi")]);
  expect(exitCode).toBe(5);
  expect(stdout).toContain(
    "event 3 of pcr4: the log contains EV_EFI_BOOT_SERVICES_APPLICATION, but the prediction is unified kernel image",
  );
  expect(stdout).toContain("event 8 of pcr11: the log contains EV_IPL '.initrd', but the prediction is section .initrd");

  const { checks } = JSON.parse((await succeed(["test", dir, "--tpm", "--boot", "uki-kernel", "--json"])).stdout) as TpmReport;
  expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(["pcr4 sha384", "pcr9 sha256", "pcr11 sha256", "event log"]));
});

test.each(["sev-snp", "sev-snp-ram"])("%s: a TPM has every predicted PCR value, and the event log names changed files", async (profile) => {
  const dir = join(out, profile);
  const verify = await withTpm(profile, dir);
  const other = await emptyDir(`tpm-${profile}/other`);
  const launch = await readFile(join(dir, "launch.json"), "utf8");
  await writeFile(join(other, "launch.json"), launch.replaceAll("console=null", "console=null loglevel=3"));
  const { initrd } = JSON.parse(launch) as { initrd: { path: string } };
  await copyFile(join(dir, initrd.path), join(other, initrd.path));
  const kernel = await readFile(join(dir, "bzImage"));
  kernel.writeUInt8(kernel.readUInt8(kernel.length >> 1) ^ 1, kernel.length >> 1);
  await writeFile(join(other, "bzImage"), kernel);
  const { exitCode, stdout } = await hal(verify.map((word) => (word === dir ? other : word)));
  expect(exitCode).toBe(5);
  const [, first = "", second = ""] = stdout.split("\n");
  expect(first).toMatch(/event 1 of pcr4: the log contains EV_EFI_BOOT_SERVICES_APPLICATION, but the prediction is kernel/);
  expect(second).toMatch(
    /event 1 of pcr9: the log contains EV_EVENT_TAG 'LOADED_IMAGE::LoadOptions', but the prediction is load options '[^']*loglevel=3/,
  );
});

test("nitro: the image boots, and hal and a second program measure the same PCRs", async () => {
  await build("nitro");
  await succeed(["test", join(out, "nitro")]);
  const { stdout } = await succeed(["measure", "--platform", "nitro", "--eif", join(out, "nitro/nitro.eif"), "--json"]);
  const { values } = JSON.parse(stdout) as { values: { register: string; value: string }[] };
  expect(values.map(({ register }) => register)).toEqual(["pcr0", "pcr1", "pcr2"]);
  const second = await execa("perl", [join(halRoot, "test/codecs/read-eif.pl"), join(out, "nitro/nitro.eif")]);
  expect(second.stdout.split("\n").slice(-3)).toEqual(values.map(({ register, value }) => `${register} ${value}`));
});

test("nitro: a signing key causes a new build of an enclave image that is up to date without a key", async () => {
  const keys = await emptyDir("nitro-keys");
  const [key, certificate] = [join(keys, "key.pem"), join(keys, "certificate.pem")];
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-nodes", "-subj", "/CN=hal test"];
  await execa("openssl", [...request, "-keyout", key, "-out", certificate]);
  expect((await build("nitro")).upToDate).toBe(true);
  const signed = ["--eif-key", key, "--eif-certificate", certificate];
  expect((await build("nitro", signed)).upToDate).toBe(false);
  const { stdout } = await succeed(["measure", join(out, "nitro"), "--json"]);
  expect(stdout).toContain('"pcr8"');
  expect((await build("nitro", signed)).upToDate).toBe(true);
});
